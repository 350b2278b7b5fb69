# Files as a whole
file-unreadable = { $path } cannot be read
    .hint = Check that it exists and that this user may read it
file-empty = { $path } has no rows
    .hint = The first line names the columns, each line behind it is a message
file-binary = { $path } is no text: it holds zero bytes
    .hint = Save it as "CSV UTF-8", or as an Excel workbook (.xlsx)
file-utf16 = { $path } is written in UTF-16
    .hint = Save it as "CSV UTF-8"; in Excel that is a type of its own under Save As
file-xls = { $path } is an Excel file of the old kind (.xls), or has a password
    .hint = Save it as .xlsx without a password, or as "CSV UTF-8"
file-not-workbook = { $path } is a zip, but no Excel workbook (.xlsx)
    .hint = Save it as .xlsx or as "CSV UTF-8"; unpack other zips first
file-old-mac = The lines of { $path } end as on an old Mac, with a carriage return alone
    .hint = Save the file as "CSV UTF-8"
file-json = { $path } is one JSON array
    .hint = Put each object on a line of its own, without brackets and commas between them: `jq -c '.[]'` does that
file-encoding = Line { $line } of { $path } is neither UTF-8 nor CP949
    .hint = Mend that line, or save the file as "CSV UTF-8"
workbook-too-large = { $path } is larger than naru unpacks: { $unit ->
        [rows] row { $found }, at most { $max }
        [columns] column { $found }, at most { $max }
        [parts] { $found } parts, at most { $max }
       *[bytes] { $found } bytes, at most { $max }
    }
    .hint = Save the sheet as "CSV UTF-8"; that has no bound
workbook-unreadable = { $path } is damaged or no workbook that naru can read
    .hint = Open it in Excel and save it again, or save the sheet as "CSV UTF-8"
workbook-no-room = { $path } could not be unpacked into { $dir }
    .hint = Check the free space and the permissions of that folder
header-missing = The file seems to have no header: its first row holds an address ({ $address })
    .hint = Write the names of the columns into the first line, such as to, and the names of the template's variables
column-missing = The file has no column for: { $missing }
    .hint = Its columns are: { $found }. Rename them, or say which is meant: { $map }
column-repeated = Two columns are called { $column }
    .hint = Rename or remove one of them
column-ambiguous = Several columns could be `{ $field }`: { $columns }
    .hint = Say which is meant, for example { $map }
map-syntax = `--map { $map }` is not FIELD=COLUMN
    .hint = Write it as in `--map to=휴대폰`
map-field-unknown = `--map` knows no field { $field }
    .hint = The fields are: { $fields }
map-repeated = `--map` names { $field } twice
    .hint = Map each field to one column
map-column-missing = The file has no column { $column }
    .hint = Its columns are: { $found }. Did you mean { $map }?
rejected-unwritable = The file of refused rows could not be written
    .hint = Check the free space and the permissions of its folder; nothing of this file is lost, send it again

# Rows
row-columns = The row has { $found } cells, the header { $expected }
    .hint = Put quotation marks around a value that holds a delimiter or a line break
row-too-long = The row is longer than { $max } bytes
    .hint = Shorten it, or remove columns that the template does not use
row-quote = A quotation mark in this row is not closed, or stands in the middle of a value
    .hint = Close it; write a mark inside a quoted value twice
row-encoding = The row holds bytes that are not UTF-8
    .hint = Write the broken value again
row-not-json = The line is no message: { $why }
    .hint = Write it as {"{"}"to": "01012345678", "variables": {"{"}"name": "value"{"}"}{"}"}
address-missing = The row has no address
    .hint = Fill in the address
address-repeated = { $address } has stood in an earlier row already
    .hint = One message a campaign goes to each address; remove this row, or send it in another campaign
variable-missing = #{"{"}{ $variable }{"}"} has no value
    .hint = Fill in the value; a text with a gap is not sent
expires-bad = expires_at is "{ $value }", which is no moment
    .hint = Write it as 2026-12-24 18:00, which is Korean time, or as 2026-12-24T18:00:00+09:00
expires-past = expires_at has passed ({ $at })
    .hint = Give a later moment or none
message-too-large = The values of the row have more than { $max } bytes together
    .hint = Shorten them

# Words
send-accepted = { $accepted ->
        [one] 1 message is on the disk
       *[other] { $accepted } messages are on the disk
    }, { $refused ->
        [one] 1 row was refused
       *[other] { $refused } rows were refused
    }
send-campaign = Campaign { $name }: `naru campaign show { $campaign }` shows how far it is
send-waits = It waits: `naru campaign resume { $name }` lets it begin
send-waits-for = { $name } begins at { $at }; `naru campaign resume` lets it begin before, `naru campaign schedule` changes the time
campaign-at = { $text } is no time
    .hint = Write it like "2026-11-24 09:00", in Asia/Seoul, or with a zone like 2026-11-24T00:00:00Z
campaign-at-over = { $text } is over: it is { $now } now
    .hint = Give a time that is still to come, or `naru campaign resume` to begin now
button-start = Send
send-no-serve = Nothing leaves until `naru serve` runs
send-repeated = This file was taken in before: campaign { $name }, { $accepted ->
        [one] 1 message
       *[other] { $accepted } messages
    }, { $refused ->
        [one] 1 row was refused
       *[other] { $refused } rows were refused
    }. Nothing was sent again
    .hint = `naru campaign show { $campaign }` shows what became of it. To send it once more, give the campaign another --name
send-dry = { $accepted ->
        [one] 1 message
       *[other] { $accepted } messages
    } would be accepted, { $refused ->
        [one] 1 row
       *[other] { $refused } rows
    } refused. Nothing was stored
send-samples = The first messages:
refused-line = LINE
refused-code = CODE
refused-detail = WHY
campaign-name = A campaign's name is 1 to { $max } characters long
    .hint = Give it a short --name
campaign-none = There is no campaign yet: `naru send --template ID --to FILE` makes one
campaign-column-id = ID
campaign-column-name = NAME
campaign-column-state = STATE
campaign-column-accepted = ACCEPTED
campaign-column-done = DONE
campaign-column-failed = FAILED
campaign-column-created = CREATED
campaign-state-loading = loading
campaign-state-held = waits for a word
campaign-state-running = running
campaign-state-paused = paused
campaign-state-cancelled = cancelled
campaign-state-done = done
campaign-paused = { $name } is paused; requests that were on their way end
campaign-resumed = { $name } goes on
campaign-cancelled = { $name } is cancelled; what had left has left
message-column-id = MESSAGE
message-column-state = STATE
message-column-template = TEMPLATE
message-column-lane = LANE
message-column-accepted = ACCEPTED
limit-range = `--limit { $limit }` is not between 1 and { $max }
    .hint = Ask for fewer; `naru campaign show` and `naru message show` tell more of one
find-address = `{ $address }` is no phone number, no e-mail address and no push token of a message
    .hint = Give the address as the customer has it, such as 010-1234-5678
find-none = There is no message to { $address }
template-column-id = TEMPLATE
template-column-version = VERSION
template-column-channel = CHANNEL
template-column-purpose = PURPOSE
template-column-pushed = PUSHED
template-column-change = CHANGE
template-pushed = new version
template-unchanged = unchanged
template-none = There is no template yet: `naru template push DIR` loads them
template-folder = { $path } cannot be read
    .hint = Give a folder of TOML files, or one such file
template-folder-empty = { $path } holds no .toml file
    .hint = A template is a file such as coupon.toml with channel, purpose and body
template-files = The folder holds more than { $max } files
    .hint = Push it in parts
template-files-missing = No template came along
    .hint = `naru template push DIR` sends the files; over HTTP send {"{"}"files": [{"{"}"name": "coupon.toml", "text": "…"{"}"}]{"}"}
template-twice = { $one } and { $other } are both the template { $template }
    .hint = Give one of them another `id`, or remove it
template-file = { $path } is no template
    .hint = Keys are channel (sms, alimtalk, brand, email, push), purpose (auth, info, ad), body, and where they apply subject and long = true
field-campaign = Campaign
field-state = State
field-template = Template
field-lane = Lane
field-created = Created
field-refused = Rows refused
field-customer = Customer
field-expires = Expires
field-due = Next try
field-tries = Tries
field-trace = Trace
field-message = Message
field-to = To
field-subject = Subject
field-text = Text
field-accepted = Accepted
field-channel = Channel
field-purpose = Purpose
field-variables = Variables
purpose-auth = authentication
purpose-info = information
purpose-ad = advertisement

# API
messages-too-large = The body is larger than { $max } bytes
    .hint = Send large amounts as a stream: content-type application/x-ndjson, one message a line
body-not-json = The body is not what this call takes: { $why }
    .hint = Send one message as an object, or an array of them: { "{" }"template": …, "to": …, "variables": { "{" }…{ "}" }{ "}" }
content-type-wrong = This call takes no body of the type `{ $found }`
    .hint = Use content-type application/json for one message or an array, application/x-ndjson for one message a line
messages-count = The array holds { $found } messages; 1 to { $max } can be taken
    .hint = Send large amounts as a stream: content-type application/x-ndjson, one message a line
stream-broken = The stream broke off
    .hint = Send it again with the same Idempotency-Key: it goes on after the last stored line
line-too-large = A line is larger than { $max } bytes
    .hint = Check that each message stands on a line of its own
message-refused-before = This message was refused when the call came first
    .hint = Send it again in a call of its own, with another key
idempotency-key-length = An Idempotency-Key is 1 to { $max } bytes long
    .hint = A UUID serves well
field-length = `{ $field }` is 1 to { $max } bytes long
    .hint = Leave it out where there is none
rejected-missing = There is no { $file }
    .hint = Files of refused rows are kept on the machine that took the campaign in

# Pages
menu-campaigns = Campaigns
page-campaigns = Campaigns
page-campaigns-none = No campaign yet
    .hint = Take a file of customers in with "New campaign", or run `naru send --template ID --to customers.csv`.
page-campaigns-no-match = No campaign is like that
    .hint = Look for a shorter part of the name, or choose every state
page-campaigns-no-older = There is no older campaign
    .hint = The newest are a step back, by the button below
page-campaigns-not-yet = None among the 10,000 that were looked at
    .hint = Go on with the older ones, by the button below
page-campaigns-name = Part of the name
page-campaigns-any = every state
page-campaigns-go = Look
page-newest = Newest
page-progress = Progress
page-schedule = When it begins
page-begins = Begins at (Asia/Seoul)
page-begins-at = It begins by itself at { $at }
page-begins-never = It waits until somebody sends it. Give a time for it to begin by itself.
button-schedule = Set
page-over-time = Outcomes over time
page-outcomes = Outcomes
page-account = Account
page-codes = Why messages did not go as they should
page-code = Why
page-code-count = Messages
page-code-share = Share
page-code-others = Other reasons
page-about = About
button-pause = Pause
button-resume = Resume
button-cancel = Cancel
page-campaign-new = New campaign
page-campaign-file = Template and file
page-campaign-before = To the campaign that was made of it
page-campaign-name = Name of the campaign
page-campaign-name-help = The file's name where it is left empty.
page-campaign-maps = Columns
page-campaign-maps-help = Only where naru does not find a column by itself: one a line, such as `to=휴대폰`. The fields are `to`, `customer`, `expires_at` and the template's variables.
page-campaign-rows = File of customers
page-campaign-rows-help = CSV (UTF-8 or as Korean Excel writes it), XLSX or NDJSON, up to 2 GiB. The first line names the columns.
page-campaign-take = Take the file in
page-campaign-take-help = Nothing is sent yet: what was found, what it costs and the first messages are shown next.
campaign-repeated = This file was taken in before: campaign { $name }, { $accepted ->
        [one] 1 message
       *[other] { $accepted } messages
    }, { $refused ->
        [one] 1 row
       *[other] { $refused } rows
    } refused. Nothing was sent twice
    .hint = Give the campaign another name to send to all of them once more
upload-none = No file was chosen
    .hint = Choose the file with the customers
rejected-none = No row of { $campaign } was refused
    .hint = Look at the campaign's page
rejected-gone = The file of the rows that { $campaign } refused is not kept any more
    .hint = It goes with the messages; the rows stand in the file that was given
rejected-elsewhere = The file of refused rows is not on this machine
    .hint = It is kept by instance { $instance }, which read the file, for as long as messages are kept: fetch it from there
page-file = Its file
page-file-so-far = { $messages ->
        [one] 1 message
       *[other] { $messages } messages
    } taken in so far, up to line { $lines }. Nothing leaves before its end.
page-file-stopped = Nobody reads its file any more
    .hint = Give the same file ({ $source }) again under the same template and name, and it goes on where it stopped; or discard what there is.
page-before = Before it is sent
page-before-messages = Messages
page-before-file = File
page-before-length = Length
page-before-longest = The longest: { $length }
page-before-all = All together { $all } { $unit ->
        [characters] characters
       *[other] bytes
    }, { $average } on average
page-before-lms = { $n ->
        [one] 1 of them goes
       *[other] { $n } of them go
    } out as LMS
page-before-cost = Cost
page-before-won = About ₩{ $won }, at ₩{ $price } a message of lane { $lane }
page-before-no-price = Not known: set `price_krw` of lane `{ $lane }` in the configuration
page-before-ends = Sent now, it is over at
page-before-ends-at = Begun then, it is over at
page-before-no-end = Not known: its lane has no cap, or it would take more than a year
page-before-from = Its first message may leave at
page-before-ahead = { $n ->
        [one] 1 other leaves
       *[other] { $n } others leave
    } before it
page-before-samples = The first messages
page-before-samples-help = As they leave, but for what is personal: addresses and values are masked.
page-refused = Rows refused
page-refused-lead = { $n ->
        [1] One row of its file is not sent:
       *[other] { $n } rows of its file are not sent. The first of them:
    }
page-refused-line = Line { $line }
page-refused-get = Download rejected.csv
page-refused-help = All refused rows as they stood in the file, with the reason before each. Mend them and take that file in: the others are not sent twice.
button-discard = Discard

# Pages of messages
menu-messages = Messages
page-older = Older
page-messages = Messages
page-messages-again = Find another
page-messages-search = Message id, phone number, e-mail address, push token or trace id
page-messages-go = Find
page-messages-help = What you type here stays out of the address of the page. What is found is shown newest first, with addresses masked.
page-messages-start = Nothing was looked for yet
    .hint = Type the number or address of a customer to see what was sent to them, or an id that a program was given.
page-messages-none = No message was found
    .hint = Check what you typed. Messages are kept for `dispatch.keep_days` days after their last word.
search-empty = There is nothing to look for
    .hint = Type a message id, an address or a trace id
page-life = Life
page-life-note = A message keeps where it came to and why, but no time of its own: the time above is when messages stored together with it last changed, so it was there by then. Of tries that were answered only their count is kept.
page-curious = For the curious: where it stands in the store
page-frame = Frame
page-slot = Slot
page-slot-of = { $slot }, of { $count }
page-frame-bytes = Bytes of the frame
page-shard = Shard
page-seq = Place in the order
page-fence = Fence of the last writer
page-changed = Frame last changed
page-chunks = Requests without a stored answer
page-chunk = Chunk / attempt
page-chunk-messages = Messages
page-outlet = Outlet
page-started = Started
page-deadline = Looked into from
page-retries = Retries
page-retry = attempt { $attempt } comes next, { $tries } { $tries ->
        [one] try counts
       *[other] tries count
    }, { $messages } { $messages ->
        [one] message
       *[other] messages
    }
page-receipts = Receipts that wait to be merged
page-nothing-here = None
page-length = { $unit ->
        [euc-kr] { $length } of { $max } bytes, counted in EUC-KR as the carriers do
        [characters] { $length } of { $max } characters
       *[bytes] { $length } of { $max } bytes
    }
page-length-lms = goes out as LMS
page-text-masked = Values are masked; they are shown together with the address.
page-text-secret = The values of an authentication message are never shown: a code is of use to nobody but its receiver.
page-access = Access record
page-access-ask = Show the address
page-access-reason = Why do you need to see it?
page-access-help = Your name, the time, this message and the reason go into the access record first. Nobody can change it.
page-access-go = Record it and show the address
page-access-shown = The address is shown on this page only, and that you saw it stands in the access record.
page-access-lead = Who was shown whose address, and why. Nothing in naru changes or removes a row.
page-access-rows = Looks, newest first
page-access-at = When
page-access-person = Who
page-access-peer = From
page-access-reason-column = Reason
page-access-none = Nobody was shown an address yet
    .hint = Who has the role `operate` can ask for one on the page of a message, with a reason.
event-now = now
event-by = at the latest
event-accepted = Accepted
event-waits = Waits for its turn
event-waits-campaign = Waits: its campaign is { $state }
event-waits-aside = Set aside: a stored byte of its frame changed, so it does not leave
event-started = Try { $nth } started
    .waits = waits for the answer
    .doubt = no answer is stored; the provider is asked what became of it
    .outlet = by the lane { $lane }
event-due = Tried { $tries ->
        [one] once
       *[other] { $tries } times
    }, next try not before this
event-reported = A receipt came in and waits to be merged: { $state }
event-settled = settled by a person
event-sent = Taken by the provider, waits for its receipt
event-delivered = Delivered
event-failed = Failed
event-expired = Expired
event-suppressed = Kept back, nothing was sent
event-cancelled = Cancelled by a person before it was sent
event-unknown = Nobody knows whether it left; `naru unknown settle` says what a person found out
channel-sms = SMS
channel-alimtalk = KakaoTalk alimtalk
channel-brand = KakaoTalk brand message
channel-email = E-mail
channel-push = Push

# Pages of templates
menu-templates = Templates
page-more = More
page-by = By
page-templates = Templates
page-templates-none = No template yet
    .hint = Write one here, or load a folder of them with `naru template push FOLDER`.
page-template-version = Version
page-template-pushed = Saved
page-template-change = Change
page-template-new = New template
page-template-edit = Edit
page-template-back = Back to the template
page-template-saved = Version { $version } is saved.
page-template-same = The text is that of version { $version }, so nothing new was saved.
page-template-text = Version { $version }
page-template-versions = Versions
page-template-since = since v{ $version }
page-template-first = the first
page-template-form = Form
page-template-long = SMS, or LMS where it is longer than 90 bytes
page-template-short = SMS only
page-template-without = without the values that are not filled in
page-template-write = Text
page-template-preview = Preview
page-template-samples = Sample values
page-template-look = Preview
page-template-save = Save as a new version
page-template-id = Id, as `send --template` names it
page-template-subject = Subject (e-mail) or title (LMS)
page-template-help = A variable stands as { "#{" }name{ "}" }. An advertisement begins with (광고) and says how to refuse it for free.
page-template-may-be-long = May go out as LMS where it is longer than 90 bytes
page-template-blank = Write a text to see how it goes out.
page-difference = { $template }: from version { $from } to { $to }
page-difference-from = From version
page-difference-to = To version
page-difference-go = Compare
page-difference-none = The two versions are the same.
page-difference-gone = removed
page-difference-new = added
page-test = Send a test with version { $version }
page-test-nobody = Nobody may be sent a test by { $channel }
    .hint = Add numbers or addresses of your own to `dispatch.allow_list` in naru.toml, then restart `naru serve`.
page-test-help = Goes to somebody of `dispatch.allow_list` and is counted as every message is.
page-test-go = Send one
test-recipient = The receiver of a test is one of `dispatch.allow_list`
    .hint = Choose one of the list. It may have changed since the page was opened
