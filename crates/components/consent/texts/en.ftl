consent-said-blocked = { $address } gets no { $scope ->
        [ads] advertisements
       *[all] messages
    } any more on { $channel ->
        [all] any channel
       *[other] { $channel }
    }
consent-said-blocked-before = { $address } was blocked like this before; the new block is kept beside the old one
consent-said-withdrawn = Consents withdrawn with it: { $count }. Advertisements need a new consent, even after the block is lifted
consent-said-unblocked = The block of { $address } is lifted; advertisements need a consent given after it
consent-said-not-blocked = { $address } was not blocked there; nothing has changed
consent-said-still-blocked = { $address } is still blocked ({ $count }). `naru consent show` lists the blocks, `naru consent unblock` without `--channel` lifts them all

consent-show-nothing = Nobody has entered anything about this address
consent-show-channel = Channel
consent-show-auth = Sign-in codes
consent-show-info = Notices
consent-show-ad = Advertisements
consent-show-send = sent
consent-show-suppressed = blocked
consent-show-no-consent = no consent
consent-show-hold = held until { $until }
consent-show-blocked-at = Blocked at
consent-show-scope = Scope
consent-show-why = Why
consent-show-who = Entered by
consent-show-lifted-at = Lifted at
consent-show-lifted-by = Lifted by
consent-show-given-at = Given at
consent-show-night = Night
consent-show-evidence = Evidence
consent-show-stored-at = Stored at
consent-show-withdrawn-at = Withdrawn at

consent-import-rows = Rows
consent-import-stored = Stored
consent-import-unchanged = There already
consent-import-withdrawn = Stored as withdrawn by a block
consent-import-refused = Refused
consent-import-line = Line
consent-import-code = Code
consent-import-detail = Why
consent-import-hint = What to do
consent-import-more = … and { $count ->
        [one] 1 more refused row
       *[other] { $count } more refused rows
    }

consent-address-wrong = This is neither a phone number nor an e-mail address that naru sends to
    .hint = Write a Korean mobile number or an e-mail address; for a push token add `--channel push`
consent-address-not-of-channel = This is no address of the channel { $channel }
    .hint = Check the address, or name the channel that it belongs to
consent-why-wrong = The reason is longer than { $bytes } bytes or has a character in it that cannot be stored
    .hint = Shorten it to a sentence; keep longer documents elsewhere and name them here
consent-file-missing = No file came with the call
    .hint = Run `naru consent import FILE`; over HTTP send the file as the body of the upload
consent-file-unreadable = The file cannot be read
    .hint = Check that it exists and that this user may read it
consent-file-not-csv = This is a workbook or UTF-16 text, not CSV
    .hint = In Excel choose "Save as" and "CSV UTF-8 (comma delimited)"
consent-header-missing = The first line holds an address ({ $address }) and not the names of the columns
    .hint = Put a first line before it: address,channel,night,given_at,evidence
consent-column-missing = There is no column { $column }; found were: { $found }
    .hint = The first line must name address, channel, night, given_at and evidence, separated by commas
consent-column-twice = The column { $column } is there more than once
    .hint = Remove or rename the one that is not meant
consent-row-long = The row at line { $line } is longer than { $bytes } bytes; the rows before it are stored
    .hint = Look for a quotation mark that is opened there and never closed, then import the file again
consent-import-stopped = naru is stopping; { $rows } rows are done
    .hint = Import the same file again once naru runs: rows that are stored stay as they are
consent-night-short = Advertisements on { $channel } { $found ->
        [none] never rest
       *[other] rest { $found }
    }, the law asks for { $needed } (정보통신망법 §50)
    .hint = Set `night_from` and `night_until` of `[consent]` or `[consent.channel.{ $channel }]` so that they span it

consent-row-columns = The row has more or fewer cells than the first line
    .hint = Put cells with a comma in them into quotation marks
consent-row-encoding = A cell holds bytes that are no text
    .hint = Save the file as CSV UTF-8
consent-channel-unknown = The channel is none of sms, alimtalk, brand, email, push
    .hint = Write one of them; a person who consented on two channels takes two rows
consent-address-bad = The address is none of its channel
    .hint = Phone numbers need 010 or another mobile prefix, e-mail addresses a domain
consent-night-bad = The night cell is neither 1 nor 0
    .hint = Write 1 where the person also consented to advertisements from 21:00 to 08:00, else 0
consent-given-bad = The moment of the consent cannot be read
    .hint = Write 2026-01-31, 2026-01-31 14:05:00 (Korean time) or 2026-01-31T14:05:00+09:00
consent-given-future = The consent is dated in the future
    .hint = Check the date and the clock of the system that wrote it
consent-evidence-missing = Nothing says how the consent can be proven
    .hint = Write where and how it was given, such as the form and its version
consent-evidence-long = The evidence is longer than 1,000 bytes
    .hint = Name the document instead of quoting it
