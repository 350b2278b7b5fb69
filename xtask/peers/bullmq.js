// What a team would otherwise build on, for the bench: campaign rows as BullMQ jobs, and a worker that sends them.
//
//   node bullmq.js add  batch|single REDIS-PORT FILE
//   node bullmq.js work batch|single REDIS-PORT VENDOR-URL MESSAGES CONCURRENCY
//
// `add` reads a file of customers, checks its rows (a number that is one, none twice, no empty cell) and makes a job of
// every 1,000 rows, or of every row. `work` renders and sends them, puts what the vendor was too busy for into a job of
// its own that waits a little, prints `ready` when it takes jobs, and ends when MESSAGES were taken.
//
// Tuned as far as the free version goes: jobs are added in bulk with several calls under way, done jobs are not kept,
// connections stay open, and many jobs are worked on at a time. Order per customer is not kept: that needs groups,
// which are paid for.

const fs = require('node:fs')
const http = require('node:http')
const { Queue, Worker } = require('bullmq')

const QUEUE = 'campaign'
const BATCH = 1000
// Messages of one addBulk, and such calls under way: more makes the commands larger and nothing faster.
const ADD_MESSAGES = { batch: 2000, single: 500 }
const ADDING_MAX = 4
const RETRY_MS_MAX = 100

const SUBJECT = '주문이 확인되었습니다'
const render = ([, , name, product, amount, date]) => `${name}님, 주문해 주셔서 고맙습니다.

상품: ${product}
금액: ${amount}원
도착 예정: ${date}

상품은 출고 전에 한 번 더 살펴보고 포장합니다. 출고되면 운송장 번호를 문자로 알려 드립니다. 배송지는 출고 전까지 \
마이페이지에서 바꾸실 수 있고, 받으신 뒤 7일 안에는 교환과 반품이 됩니다.

궁금한 점은 고객센터로 연락해 주세요.`

const [role, kind, port, ...rest] = process.argv.slice(2)
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null }
const queue = new Queue(QUEUE, { connection, defaultJobOptions: { removeOnComplete: true, attempts: 8 } })
const roles = { add, work }
roles[role](...rest).catch((error) => {
  console.error(error)
  process.exit(1)
})

async function add(file) {
  const seen = new Set()
  const perJob = kind === 'batch' ? BATCH : 1
  let rows = []
  let jobs = []
  let adding = []
  const flush = async () => {
    adding.push(queue.addBulk(jobs))
    jobs = []
    if (adding.length >= ADDING_MAX) await adding.shift()
  }
  const take = async () => {
    jobs.push({ name: kind, data: rows })
    rows = []
    if (jobs.length * perJob >= ADD_MESSAGES[kind]) await flush()
  }
  for await (const row of records(file)) {
    const to = row[0].replaceAll('-', '')
    if (!/^01[016789]\d{7,8}$/.test(to) || seen.has(to) || row.length !== 6 || row.some((cell) => cell === '')) {
      throw new Error(`a bad row: ${row}`)
    }
    seen.add(to)
    row[0] = to
    rows.push(row)
    if (rows.length === perJob) await take()
  }
  if (rows.length > 0) await take()
  await flush()
  await Promise.all(adding)
  await queue.close()
}

// The rows of a CSV file without its header. Only the amount is in quotation marks, and no cell has a line end.
async function* records(file) {
  let rest = ''
  let header = true
  for await (const chunk of fs.createReadStream(file, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    const lines = (rest + chunk).split('\r\n')
    rest = lines.pop()
    for (const line of lines) {
      if (header) header = false
      else yield cells(line)
    }
  }
}

function cells(line) {
  const open = line.indexOf('"')
  if (open < 0) return line.split(',')
  const close = line.indexOf('"', open + 1)
  return [...line.slice(0, open - 1).split(','), line.slice(open + 1, close), ...line.slice(close + 2).split(',')]
}

async function work(vendor, messages, concurrency) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number(concurrency) })
  const send = { batch: sendBatch, single: sendSingle }[kind]
  let left = Number(messages)
  const worker = new Worker(QUEUE, (job) => send(agent, vendor, job), { connection, concurrency: Number(concurrency) })
  worker.on('completed', (_job, taken) => {
    left -= taken
    if (left === 0) process.exit(0)
  })
  worker.on('failed', (_job, error) => console.error(error))
  await worker.waitUntilReady()
  console.log('ready')
}

async function sendBatch(agent, vendor, job) {
  const messages = job.data.map((row, n) => ({ ref: `${job.id}-${n}`, to: row[0], subject: SUBJECT, text: render(row) }))
  // What was busy is sent again under its first reference, which came along as its last cell.
  job.data.forEach((row, n) => (messages[n].ref = row[6] ?? messages[n].ref))
  const { results } = await post(agent, `${vendor}/v1/batches`, { key: job.id, messages })
  const busy = []
  results.forEach(({ ref, code }, n) => {
    if (code === 'busy') busy.push([...job.data[n].slice(0, 6), ref])
    else if (code !== 'ok') throw new Error(code)
  })
  if (busy.length > 0) await queue.add(kind, busy, { delay: Math.random() * RETRY_MS_MAX })
  return results.length - busy.length
}

async function sendSingle(agent, vendor, job) {
  const [row] = job.data
  const message = { key: job.id, ref: `${job.id}-0`, to: row[0], subject: SUBJECT, text: render(row) }
  const { code } = await post(agent, `${vendor}/v1/messages`, message)
  if (code !== 'ok') throw new Error(code)
  return 1
}

function post(agent, url, value) {
  const body = Buffer.from(JSON.stringify(value))
  const headers = {
    authorization: 'Bearer sandbox',
    'content-type': 'application/json',
    'content-length': body.length,
  }
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', agent, headers, timeout: 30_000 }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode !== 200) reject(new Error(`HTTP ${response.statusCode}`))
        else resolve(JSON.parse(Buffer.concat(chunks)))
      })
    })
    request.on('timeout', () => request.destroy(new Error('timeout')))
    request.on('error', reject)
    request.end(body)
  })
}
