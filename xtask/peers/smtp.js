// A real SMTP server for tests: it takes mail, keeps a ledger of what it took, and fails where it is told to.
//
// One line of JSON on standard output says where it listens and which certificate STARTTLS shows:
//   {"smtp":PORT,"http":PORT,"certificate":"-----BEGIN CERTIFICATE-----…"}
// It ends when standard input closes, so it cannot outlive the test that started it.
//
// A fault is asked for by the recipient's address, `FAULT+anyone@…` for every mail and `FAULT-2+anyone@…` for the
// first two to that address, or for every recipient over HTTP, before what addresses ask for:
//   PUT /fault {"name":"busy","times":2}   `times` mails; 0 ends the fault
//   GET /ledger                            the mails taken, oldest first
//
// AUTH is offered after STARTTLS and takes any name; the password `wrong` is refused (535).

const http = require('node:http')
const { SMTPServer } = require('smtp-server')
const selfsigned = require('selfsigned')

const BEFORE_DATA = {
  refuse: { code: 550, text: 'No such mailbox' },
  busy: { code: 451, text: 'Try again later' },
  leave: { code: 421, text: 'Closing the connection' },
}
const AFTER_DATA = {
  'refuse-data': { code: 554, text: 'Message refused' },
  'busy-data': { code: 451, text: 'Try again later' },
  silent: {}, // taken, and never answered
  drop: {}, // taken, and the connection reset without an answer
  slow: {}, // taken, and answered after SLOW_MS
}

const SLOW_MS = 1500
// Beyond this a test has gone astray; mail is refused rather than memory filled.
const LEDGER_MAX = 200_000
const MAIL_BYTES_MAX = 10 * 1024 * 1024
// Longer than any client under test waits, so that `silent` is the client's time-out and never the server's.
const IDLE_MS_MAX = 10 * 60 * 1000

const ledger = []
const asked = new Map() // address -> how often its fault has been answered
let everyone = { name: null, times: 0 }

/** The fault of this table that applies to `address` now, or undefined; counts it as used. */
function faultFor(address, table) {
  if (everyone.times > 0 && everyone.name in table) {
    everyone.times -= 1
    return everyone.name
  }
  const [, name, times] = /^([a-z]+(?:-data)?)(?:-(\d+))?\+/.exec(address) ?? []
  if (!(name in table)) return undefined
  const used = asked.get(address) ?? 0
  if (times !== undefined && used >= Number(times)) return undefined
  asked.set(address, used + 1)
  return name
}

function failure({ code, text }) {
  return Object.assign(new Error(text), { responseCode: code })
}

function onAuth(auth, _session, done) {
  if (auth.password === 'wrong') return done(failure({ code: 535, text: 'Authentication failed' }))
  done(null, { user: auth.username })
}

function onRcptTo(to, _session, done) {
  const fault = faultFor(to.address, BEFORE_DATA)
  done(fault && failure(BEFORE_DATA[fault]))
}

function onData(stream, session, done) {
  const chunks = []
  stream.on('data', (chunk) => chunks.push(chunk))
  stream.on('end', () => {
    if (ledger.length >= LEDGER_MAX) return done(failure({ code: 452, text: 'The ledger is full' }))
    const to = session.envelope.rcptTo.map((recipient) => recipient.address)
    const fault = to.map((address) => faultFor(address, AFTER_DATA)).find(Boolean)
    const refusal = fault && AFTER_DATA[fault]
    if (refusal?.code) return done(failure(refusal))
    ledger.push(entry(Buffer.concat(chunks), to, session))
    if (fault === 'silent') return
    if (fault === 'drop') return reset(session.id)
    if (fault === 'slow') return setTimeout(done, SLOW_MS)
    done()
  })
}

function entry(mail, to, session) {
  const end = mail.indexOf('\r\n\r\n')
  const headers = mail.subarray(0, end < 0 ? mail.length : end).toString()
  return {
    from: session.envelope.mailFrom.address ?? '',
    to,
    message_id: /^message-id:\s*(\S+)/im.exec(headers)?.[1] ?? '',
    bytes: mail.length,
    headers,
    encrypted: session.secure,
    user: session.user ?? '',
  }
}

function reset(id) {
  for (const connection of smtp.connections) {
    if (connection.id === id) connection._socket.resetAndDestroy()
  }
}

function onHttp(request, response) {
  const answer = (status, value) => response.writeHead(status).end(JSON.stringify(value))
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const route = `${request.method} ${request.url}`
    if (route === 'GET /ledger') return answer(200, ledger)
    if (route !== 'PUT /fault') return answer(404, { error: `no ${route} here` })
    const { name, times } = JSON.parse(Buffer.concat(chunks))
    if (!(name in BEFORE_DATA) && !(name in AFTER_DATA)) return answer(400, { error: `no fault is called ${name}` })
    everyone = { name, times }
    answer(200, everyone)
  })
}

function listen(server) {
  return new Promise((resolve) => {
    const listener = server.listen(0, '127.0.0.1', () => resolve(listener.address().port))
  })
}

let smtp
async function main() {
  const { private: key, cert } = selfsigned.generate([{ name: 'commonName', value: 'localhost' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }, { type: 7, ip: '127.0.0.1' }] },
    ],
  })
  smtp = new SMTPServer({
    key,
    cert,
    authOptional: true,
    disableReverseLookup: true,
    size: MAIL_BYTES_MAX,
    socketTimeout: IDLE_MS_MAX,
    onAuth,
    onRcptTo,
    onData,
  })
  // A client that goes away in mid-mail is what some tests are about, not an error here.
  smtp.on('error', () => {})
  const ports = { smtp: await listen(smtp), http: await listen(http.createServer(onHttp)) }
  console.log(JSON.stringify({ ...ports, certificate: cert }))
}

process.stdin.on('end', () => process.exit(0)).resume()
main()
