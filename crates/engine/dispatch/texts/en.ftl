access-reason-long = The reason is longer than { $max } characters
    .hint = One sentence is enough
access-reason-missing = The address is shown only to whoever gives a reason
    .hint = Write why you need it, such as the number of the customer's request
address-bad = This is no address of the channel { $channel }: { $address }
    .hint = Korean mobile numbers look like 010-1234-5678, e-mail addresses like name@example.com
ad-label-missing = The advertisement { $template } does not begin with (광고)
    .hint = Article 50 of the Network Act asks for it: begin the body (for e-mail the subject) with (광고)
ad-refusal-missing = The advertisement { $template } offers no free way to refuse
    .hint = End the text with 무료거부 and your 080 number
allow-list-address = `dispatch.allow_list` holds something that is no address: { $address }
    .hint = List phone numbers or e-mail addresses of test recipients
audit-balances = The account balances: { $frames } frames read, every message is in exactly one state
audit-does-not-balance = The account does not balance: { $frames } frames read
campaign-not-held = The campaign { $name } does not wait to begin: it is { $state }
    .hint = Only one that was sent with `--hold` or `--at` and has not begun can be scheduled
campaign-state = The campaign is { $state } and cannot become { $wanted }
    .hint = `naru campaign show` tells where it stands
campaign-unknown = There is no campaign { $campaign }
    .hint = `naru campaign list` shows the campaigns with their ids
idempotency-key-reused = This Idempotency-Key came before with another body
    .hint = Use a new key for a new request; the same key only repeats the same request
import-cancelled = The campaign { $campaign } of this file was cancelled; nothing more of it is taken in
    .hint = To send the file all the same, give its campaign another name
import-interrupted = Taking the file in was interrupted; what was acknowledged is kept
    .hint = Take the same file in again under the same name: it goes on after the last stored line
import-leaves = The campaign { $campaign } of this file leaves already
    .hint = It cannot be held any more: go on with it as it was begun, by `naru send`
import-running = This file is being taken in right now
    .hint = Wait for it; if the other process has died, try again in 15 seconds
import-taken-over = Another process has taken this file over
    .hint = `naru campaign show` tells how far it is
intake-full = Too many calls are waiting to be stored
    .hint = Try again after the time in `Retry-After`
intake-stopped = Intake has stopped because naru is shutting down
    .hint = Send the request again, with the same Idempotency-Key, to a running instance
lane-not-running = The lane { $lane } does not run
    .hint = Start `naru serve`
lane-column-lane = LANE
lane-column-state = STATE
lane-column-provider = PROVIDER
lane-column-channel = CHANNEL
lane-column-requests = REQUESTS/S
lane-column-messages = MESSAGES/S
lane-column-in-flight = IN FLIGHT
lane-column-held = HELD
lane-column-today = TODAY
frames-set-aside = Stored bytes have changed: { $messages } messages in { $frames } damaged frames were set aside and are not sent
    .hint = `naru unknown list` shows them; check the disk of the database, and send again what did not leave
lane-gone = { $messages ->
        [one] 1 message waits
       *[other] { $messages } messages wait
    } for the lane { $lane }, which is not configured
    .hint = Add [dispatch.lane.{ $lane }] to naru.toml again, or end their campaigns with `naru campaign cancel`
lane-name = `[dispatch.lane.{ $lane }]` has a name that cannot stand in an address
    .hint = Use letters, digits, hyphens, underscores and dots, 100 at most
lane-shards = [dispatch.lane.{ $lane }] has { $shards } shards, and `{ $key }` is too small to give each a part
    .hint = Have at most as many shards as each cap allows, or raise the cap
lane-shards-busy = Messages wait in the lane { $lane }, so it cannot be split into { $shards } shards now
    .hint = Set `shards` back, let the lane run empty or cancel its campaigns, then change it
lane-shards-many = [dispatch.lane.{ $lane }] has { $shards } shards, and { $max } is the most
    .hint = One shard for each machine that is to carry a part of the lane is enough
lane-silent = The owner of the lane { $lane } does not answer
    .hint = Look at `naru lane list` and the log of that instance; said again, the command goes on
lane-state-running = running
lane-state-elsewhere = running on { $instance }
lane-state-stopped = does not run
lane-state-paused = paused
lane-state-blocked = blocked: { $code }
lane-state-stalled = too much is held back
lane-state-day-spent = the day's messages are used up
lane-state-gone = not configured
lane-state-standing-by = stands by for { $other }
lane-state-standing-in = stands in for { $other }
lane-unknown = There is no lane { $lane } (known: { $known })
    .hint = `naru lane list` shows the lanes
message-damaged = The message { $message } stands in a damaged frame: its state cannot be written any more
    .hint = `naru audit` tells what is damaged; note elsewhere what became of the message
message-not-unknown = The message { $message } is not unknown: it is { $state }
    .hint = Only what naru does not know can be settled; `naru message show { $message }` tells the rest
message-unknown = There is no message { $message }
    .hint = Message ids look like 0192f0c1…-17; `naru message find --to ADDRESS` finds them
provider-unreachable = The provider of lane { $lane } does not answer
    .hint = Check `dispatch.lane.{ $lane }.url` and its secret
receipts-full = Too many receipts are waiting to be stored
    .hint = The provider will repeat them
receipts-stopped = Receipts are not taken because naru is shutting down
    .hint = The provider will repeat them
route-channel = `dispatch.route` sends { $channel } to { $lane }, which is a lane of another channel
    .hint = List lanes of the same channel only
route-missing = No lane carries the channel { $channel }
    .hint = Add a section [dispatch.lane.NAME] with channel = "{ $channel }" to naru.toml
route-twice = `dispatch.route` names the lane { $lane } twice for { $channel }
    .hint = Name it once: the first lane carries, the others stand by in their order.
route-shards = the lanes that `dispatch.route` names for { $channel } have different numbers of shards: { $lane }
    .hint = Give all of them the same `shards`: a customer's part must be the same one in each.
route-unknown = `dispatch.route` names the lane { $lane } for { $channel }, and there is none of that name
    .hint = Add [dispatch.lane.{ $lane }] or mend the route
state-accepted = accepted
state-pending = pending
state-sent = sent
state-delivered = delivered
state-failed = failed
state-expired = expired
state-suppressed = suppressed
state-cancelled = cancelled
state-unknown = unknown
template-changed = Somebody else saved version { $newest } of the template { $template } while you were writing
    .hint = Look at that version; what you wrote is still here, and saving it again makes it the newest
template-character = The template { $template } holds the character { $character }, which cannot be sent by SMS
    .hint = SMS carries the characters of KS X 1001 only: write 원 for the won sign, - for a long dash, and leave out emoji
template-empty = The template { $template } has no text
    .hint = Write what is to be sent into `body`
template-exists = There is a template { $template } already
    .hint = Choose another id, or open that template and edit it
template-id = `{ $template }` cannot name a template
    .hint = Use letters, digits, hyphens, underscores and dots, 100 at most
template-subject-missing = The e-mail template { $template } has no subject
    .hint = Add a line subject = "…"
template-syntax = The template { $template } cannot be read: { $why }
    .hint = Variables look like { "#{" }name{ "}" }
template-too-long = The text of the template { $template } has { $length } { $unit ->
        [characters] characters
       *[bytes] bytes
    } without its values, at most { $max } can be sent
    .hint = Shorten it; an SMS template with long = true goes out as LMS up to 2,000 bytes
template-unknown = There is no template { $template } (known: { $known })
    .hint = Load your templates with `naru template push DIR`
template-version-unknown = There is no version { $version } of the template { $template }
    .hint = `naru template list` shows what is stored
text-character = The character { $character } cannot be sent by SMS
    .hint = SMS carries the characters of KS X 1001 only: write 원 for the won sign, - for a long dash, and leave out emoji
text-too-long = The text has { $length } { $unit ->
        [characters] characters
       *[bytes] bytes
    }, at most { $max } can be sent
    .hint = Shorten the text or its values; SMS templates with long = true go out as LMS up to 2,000 bytes
unknown-column-campaign = CAMPAIGN
unknown-column-lane = LANE
unknown-column-message = MESSAGE
unknown-column-purpose = PURPOSE
unknown-column-reason = REASON
unknown-column-since = SINCE
unknown-column-to = TO
unknown-limit = `--limit { $limit }` is not between 1 and { $max }
    .hint = Ask for fewer, and go on with `--after`
unknown-more = { $shown } are shown here, the next with `{ $command }`
unknown-none = Nothing is unknown
unknown-settle-damaged = { $count ->
        [one] 1 unknown message stands
       *[other] { $count } unknown messages stand
    } in damaged frames and cannot be settled
    .hint = `naru unknown list` shows them with the reason `damaged`, `naru audit` the frames
unknown-settle-many = { $found } messages are named, at most { $max } can be settled at once
    .hint = Settle all of a campaign or of a lane with `--campaign` or `--lane`, or name fewer
unknown-settle-more = { $count } more were not settled; `--json` names all of them
unknown-settle-which = It is not clear which messages are meant
    .hint = Name their ids, or say `--campaign` or `--lane` for all there are; ids and a flag together say two things
unknown-settled = { $count ->
        [one] 1 message is
       *[other] { $count } messages are
    } settled as { $state }
unknown-total = { $total ->
        [one] 1 message is
       *[other] { $total } messages are
    } unknown
unknown-total-damaged = { $damaged ->
        [one] 1 of them stands in a damaged frame and cannot be settled
       *[other] { $damaged } of them stand in damaged frames and cannot be settled
    }: `naru audit` tells more
menu-lanes = Lanes
lanes-title = Lanes
lanes-none = No lane is configured
    .hint = Describe a provider's account under `[dispatch.lane.NAME]` in `naru.toml` and start naru again
lanes-lane = Lane
lanes-state = State
lanes-rate = Messages a second
lanes-in-flight = In flight
lanes-in-flight-on = on { $instances }
lanes-in-flight-also = more on { $instances }
lanes-pending = Pending
lanes-oldest = Oldest waiting
lanes-today = Today
lanes-of = { $n } of { $max }
lanes-messages-cap = of { $max }/s
lanes-requests-cap = at most { $max } requests/s
lanes-no-cap = no cap
overview-last-hour = Outcomes of the last hour
overview-account = All messages
overview-counting = Being counted
overview-counted = Counted at
concern-lane = Lane { $lane }: { $state }
concern-unknown = Of { $n } messages nobody knows whether they left
concern-stranded = { $n } messages wait for the lane { $lane }, which is not configured any more
menu-unknown = Unknown
unknown-title = Unknown outcomes
unknown-page-none = Nothing is unknown
    .hint = Messages stand here of which nobody can find out whether they left
unknown-count = { $n } messages of which nobody knows whether they left
unknown-count-damaged = { $n } in damaged frames
unknown-what = The provider gave no answer and cannot be asked, or could not be for hours; or their lane is configured no more, or a stored frame is damaged. Nothing more is sent for them by itself.
unknown-all-lanes = All lanes
unknown-next = Next
unknown-settle-chosen = The chosen ones were:
unknown-settle-as = All of them were:
unknown-settle-all = Settle all { $n } at once
unknown-sure = I asked the provider about all { $n }
unknown-not-sure = It was not said that the provider was asked about all of them
    .hint = Tick the box, or choose single messages
unknown-none-chosen = No message is chosen
    .hint = Tick those whose outcome is known, then say what it was
unknown-changed = There are { $n } now: nothing was settled
    .hint = Look at those that came since, and say it again

outcome-expired = Too old to be sent, or given up in time
outcome-suppressed = The receiver is on the suppression list
outcome-no-consent = The receiver did not agree to advertisements
outcome-no-consent-list = There is no list of who agreed to advertisements
outcome-not-on-allow-list = Not on the list of test recipients, while `production` is off
outcome-damaged = A stored byte of it changed
outcome-timed-out = The provider did not answer in time
outcome-timeout = The provider did not answer in time
outcome-connect-timeout = The provider could not be reached in time
outcome-connection-refused = Nobody listens at the provider's address
outcome-connection-lost = The connection broke off
outcome-connection-closed = The provider closed the connection
outcome-host-unknown = The provider's host has no address
outcome-host-unreachable = The provider's host cannot be reached
outcome-tls-failed = No secure connection to the provider
outcome-reply-unreadable = The provider's answer could not be read
outcome-reply-too-large = The provider's answer was too large
outcome-answer-of-another-length = The provider answered for another number of messages
outcome-lookup-of-another-length = The provider answered for another number of messages
outcome-lookup-timed-out = The provider did not answer a question in time
outcome-never-arrived = It never arrived at the provider
outcome-lease-ended = It was not sent: another instance took over
outcome-group-gone = The provider no longer knows the group
outcome-throttled = The provider asked for a pause
outcome-busy = The provider was busy
outcome-address-bad = The address is not one
outcome-unknown-number = The number is not in service
outcome-no-such-subscriber = The number is not in service
outcome-http-number = The provider answered { $number }
outcome-smtp-number = The mail server answered { $number }
