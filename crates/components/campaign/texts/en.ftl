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
file-json = { $path } is one JSON array
    .hint = Put each object on a line of its own, without brackets and commas between them: `jq -c '.[]'` does that
file-encoding = Line { $line } of { $path } is neither UTF-8 nor CP949
    .hint = Mend that line, or save the file as "CSV UTF-8"
workbook-too-large = { $path } would unpack to more than naru takes ({ $found }, at most { $max })
    .hint = Save the sheet as "CSV UTF-8"; that has no bound
workbook-unreadable = { $path } is damaged or no workbook that naru can read
    .hint = Open it in Excel and save it again, or save the sheet as "CSV UTF-8"
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
address-bad = { $channel ->
        [email] { $address } is not an e-mail address
        [push] { $address } is not a push token
       *[other] { $address } is not a mobile number in Korea
    }
    .hint = { $channel ->
        [email] Write it as name@example.com
        [push] Write the token as the app gave it
       *[other] Write it as 010-1234-5678
    }
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
