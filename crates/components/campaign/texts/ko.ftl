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
workbook-too-large = { $path } 파일은 naru가 풀 수 있는 크기를 넘습니다: { $unit ->
        [rows] { $found }번째 행, 최대 { $max }
        [columns] { $found }번째 열, 최대 { $max }
        [parts] 구성 파일 { $found }개, 최대 { $max }개
       *[bytes] { $found }바이트, 최대 { $max }바이트
    }
    .hint = 시트를 "CSV UTF-8"로 저장하세요. CSV에는 이 제한이 없습니다
workbook-unreadable = { $path } 파일이 손상되었거나 naru가 읽을 수 없는 통합 문서입니다
    .hint = 엑셀에서 열어 다시 저장하거나, 시트를 "CSV UTF-8"로 저장하세요
workbook-no-room = { $path } 파일을 { $dir } 폴더에 풀지 못했습니다
    .hint = 그 폴더의 여유 공간과 권한을 확인하세요
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

# 명령
send-accepted = 메시지 { $accepted }건을 저장했고, { $refused }행은 거부했습니다
send-campaign = 캠페인 { $name }: `naru campaign show { $campaign }`로 진행 상황을 볼 수 있습니다
send-no-serve = `naru serve`를 켜기 전에는 아무것도 나가지 않습니다
send-repeated = 이미 접수한 파일입니다: 캠페인 { $name }, { $accepted }건, 거부된 행 { $refused }개. 다시 보내지 않았습니다
    .hint = `naru campaign show { $campaign }`로 결과를 볼 수 있습니다. 한 번 더 보내려면 --name에 다른 이름을 주세요
send-dry = { $accepted }건이 접수되고 { $refused }행이 거부됩니다. 저장한 것은 없습니다. 처음 몇 건:
refused-line = 줄
refused-code = 코드
refused-detail = 이유
campaign-name = 캠페인 이름은 1자 이상 { $max }자 이하입니다
    .hint = --name에 짧은 이름을 주세요
campaign-none = 아직 캠페인이 없습니다: `naru send --template 아이디 --to 파일`로 만드세요
campaign-column-id = 아이디
campaign-column-name = 이름
campaign-column-state = 상태
campaign-column-accepted = 접수
campaign-column-done = 완료
campaign-column-failed = 실패
campaign-column-created = 만든 때
campaign-state-loading = 접수 중
campaign-state-running = 발송 중
campaign-state-paused = 일시 정지
campaign-state-cancelled = 취소됨
campaign-state-done = 완료
campaign-paused = { JOSA($name, "을/를") } 멈췄습니다. 이미 나간 요청은 끝까지 처리합니다
campaign-resumed = { JOSA($name, "이/가") } 다시 나갑니다
campaign-cancelled = { JOSA($name, "을/를") } 취소했습니다. 이미 나간 메시지는 되돌릴 수 없습니다
message-column-id = 메시지
message-column-state = 상태
message-column-template = 템플릿
message-column-lane = 레인
message-column-accepted = 접수 시각
find-address = `{ $address }`는 휴대폰 번호, 이메일 주소, 푸시 토큰이 아닙니다
    .hint = 010-1234-5678처럼 고객의 주소를 그대로 적으세요
find-none = { JOSA($address, "으로/로") } 보낸 메시지가 없습니다
template-column-id = 템플릿
template-column-version = 버전
template-column-channel = 채널
template-column-purpose = 목적
template-column-pushed = 올린 때
template-column-change = 변경
template-pushed = 새 버전
template-unchanged = 변경 없음
template-none = 아직 템플릿이 없습니다: `naru template push 폴더`로 올리세요
template-folder = { JOSA($path, "을/를") } 읽을 수 없습니다
    .hint = naru가 실행되는 컴퓨터에 있는 TOML 폴더나 파일을 적으세요
template-folder-empty = { $path }에 .toml 파일이 없습니다
    .hint = 템플릿은 channel, purpose, body를 담은 coupon.toml 같은 파일입니다
template-files = 폴더에 파일이 { $max }개 넘게 있습니다
    .hint = 나누어 올리세요
template-file = { JOSA($path, "은/는") } 템플릿이 아닙니다
    .hint = 항목은 channel(sms, alimtalk, brand, email, push), purpose(auth, info, ad), body이고 필요하면 subject와 long = true를 씁니다
field-campaign = 캠페인
field-state = 상태
field-template = 템플릿
field-lane = 레인
field-created = 만든 때
field-refused = 거부된 행
field-customer = 고객
field-expires = 만료
field-due = 다음 시도
field-tries = 시도 횟수
field-trace = 추적 번호
field-message = 메시지
field-to = 받는 곳
field-subject = 제목
field-text = 본문
field-accepted = 접수
field-channel = 채널
field-purpose = 목적
field-variables = 변수
purpose-auth = 인증
purpose-info = 정보
purpose-ad = 광고

# API
messages-too-large = 본문이 { $max }바이트보다 큽니다
    .hint = 많은 양은 스트림으로 보내세요: content-type application/x-ndjson, 한 줄에 메시지 하나
body-not-json = 이 호출이 받을 수 없는 본문입니다: { $why }
    .hint = 메시지 하나를 객체로, 여럿은 배열로 보내세요: { "{" }"template": …, "to": …, "variables": { "{" }…{ "}" }{ "}" }
messages-count = 배열에 메시지가 { $found }건 있습니다. 1건에서 { $max }건까지 받을 수 있습니다
    .hint = 많은 양은 스트림으로 보내세요: content-type application/x-ndjson, 한 줄에 메시지 하나
stream-broken = 스트림이 끊겼습니다
    .hint = 같은 Idempotency-Key로 다시 보내면 마지막으로 저장된 줄 다음부터 이어집니다
line-too-large = 한 줄이 { $max }바이트보다 큽니다
    .hint = 메시지가 한 줄에 하나씩 있는지 확인하세요
message-refused-before = 처음 호출 때 거부된 메시지입니다
    .hint = 다른 키로 따로 다시 보내세요
idempotency-key-length = Idempotency-Key는 1바이트 이상 { $max }바이트 이하입니다
    .hint = UUID를 쓰면 좋습니다
field-length = `{ $field }`는 1바이트 이상 { $max }바이트 이하입니다
    .hint = 값이 없으면 빼세요
rejected-missing = { $file } 파일이 없습니다
    .hint = 거부된 행의 파일은 캠페인을 접수한 컴퓨터에 있습니다

# 화면
menu-campaigns = 캠페인
page-campaigns = 캠페인
page-campaigns-none = 아직 캠페인이 없습니다
    .hint = `naru send --template 아이디 --to customers.csv`로 첫 캠페인을 만드세요
page-progress = 진행
page-outcomes = 결과
page-account = 계정
page-about = 정보
button-pause = 일시 정지
button-resume = 다시 보내기
button-cancel = 취소
