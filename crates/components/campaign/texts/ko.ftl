# 파일 전체
file-unreadable = { $path } 파일을 읽지 못했습니다
    .hint = 파일이 있는지, 이 사용자에게 읽기 권한이 있는지 확인하세요
file-empty = { $path } 파일에 보낼 행이 없습니다
    .hint = 첫 줄에는 열 이름을, 그다음 줄부터는 한 줄에 메시지 하나씩 적으세요
file-binary = { $path } 파일은 텍스트가 아닙니다. 0바이트가 섞여 있습니다
    .hint = "CSV UTF-8" 형식이나 엑셀 통합 문서(.xlsx)로 저장하세요
file-utf16 = { $path } 파일은 UTF-16으로 저장되어 있습니다
    .hint = "CSV UTF-8"로 저장하세요. 엑셀의 '다른 이름으로 저장'에서 고를 수 있습니다
file-xls = { $path } 파일은 예전 엑셀 형식(.xls)이거나 암호가 걸려 있습니다
    .hint = 암호 없이 .xlsx로 저장하거나 "CSV UTF-8"로 저장하세요
file-not-workbook = { $path } 파일은 zip이지만 엑셀 통합 문서(.xlsx)가 아닙니다
    .hint = .xlsx나 "CSV UTF-8"로 저장하세요. 다른 압축 파일이라면 먼저 푸세요
file-json = { $path } 파일은 JSON 배열 하나로 되어 있습니다
    .hint = 대괄호와 쉼표 없이 한 줄에 객체 하나씩 적으세요. `jq -c '.[]'`로 바꿀 수 있습니다
file-encoding = { $path } 파일의 { $line }번째 줄은 UTF-8도 CP949도 아닙니다
    .hint = 그 줄을 고치거나 파일을 "CSV UTF-8"로 저장하세요
workbook-too-large = { $path } 파일은 압축을 풀면 너무 큽니다 ({ $found }, 최대 { $max })
    .hint = 시트를 "CSV UTF-8"로 저장하세요. CSV에는 이 제한이 없습니다
workbook-unreadable = { $path } 파일이 손상되었거나 naru가 읽을 수 없는 통합 문서입니다
    .hint = 엑셀에서 열어 다시 저장하거나, 시트를 "CSV UTF-8"로 저장하세요
column-missing = 파일에 필요한 열이 없습니다: { $missing }
    .hint = 파일의 열: { $found }. 열 이름을 바꾸거나 어느 열인지 알려 주세요: { $map }
column-repeated = 이름이 { $column }인 열이 둘입니다
    .hint = 하나의 이름을 바꾸거나 지우세요
column-ambiguous = `{ $field }`에 해당할 수 있는 열이 여럿입니다: { $columns }
    .hint = 어느 열인지 알려 주세요. 예: { $map }
map-syntax = `--map { $map }`은 `필드=열` 형식이 아닙니다
    .hint = `--map to=휴대폰`처럼 적으세요
map-field-unknown = `--map`에 쓸 수 있는 필드가 아닙니다: { $field }
    .hint = 쓸 수 있는 필드: { $fields }
map-repeated = `--map`에 { $field } 필드가 두 번 나옵니다
    .hint = 필드 하나에는 열 하나만 지정하세요
map-column-missing = 파일에 { $column } 열이 없습니다
    .hint = 파일의 열: { $found }. 혹시 { $map }인가요?
rejected-unwritable = 거절된 행을 담을 파일에 쓰지 못했습니다
    .hint = 디스크 여유 공간과 폴더 권한을 확인하고 파일을 다시 보내세요. 접수된 행은 그대로 있습니다

# 행
row-columns = 이 행의 칸은 { $found }개인데 열은 { $expected }개입니다
    .hint = 구분 문자나 줄바꿈이 든 값은 큰따옴표로 감싸세요
row-too-long = 이 행은 { $max }바이트보다 깁니다
    .hint = 값을 줄이거나, 템플릿이 쓰지 않는 열을 지우세요
row-quote = 이 행의 큰따옴표가 닫히지 않았거나 값 중간에 있습니다
    .hint = 큰따옴표를 닫으세요. 감싼 값 안의 큰따옴표는 두 번 적습니다
row-encoding = 이 행에 UTF-8이 아닌 바이트가 있습니다
    .hint = 깨진 값을 다시 적으세요
row-not-json = 이 줄은 메시지가 아닙니다: { $why }
    .hint = {"{"}"to": "01012345678", "variables": {"{"}"이름": "값"{"}"}{"}"}처럼 적으세요
address-missing = 받는 주소가 비어 있습니다
    .hint = 주소를 적으세요
address-bad = { $channel ->
        [email] { JOSA($address, "은/는") } 이메일 주소가 아닙니다
        [push] { JOSA($address, "은/는") } 푸시 토큰이 아닙니다
       *[other] { JOSA($address, "은/는") } 휴대폰 번호가 아닙니다
    }
    .hint = { $channel ->
        [email] name@example.com처럼 적으세요
        [push] 앱이 준 토큰을 그대로 적으세요
       *[other] 010-1234-5678처럼 적으세요
    }
address-repeated = { JOSA($address, "은/는") } 앞의 행에 이미 나왔습니다
    .hint = 한 캠페인은 같은 주소로 한 번만 보냅니다. 이 행을 지우거나 다른 캠페인으로 보내세요
variable-missing = #{"{"}{ $variable }{"}"}에 넣을 값이 비어 있습니다
    .hint = 값을 채우세요. 빈칸이 있는 글은 보내지 않습니다
expires-bad = expires_at 값 "{ $value }"에서 시각을 읽을 수 없습니다
    .hint = 2026-12-24 18:00(한국 시각)이나 2026-12-24T18:00:00+09:00처럼 적으세요
expires-past = expires_at 시각이 이미 지났습니다 ({ $at })
    .hint = 더 나중의 시각을 적거나 비워 두세요
message-too-large = 이 행의 값을 모두 합치면 { $max }바이트를 넘습니다
    .hint = 값을 줄이세요
