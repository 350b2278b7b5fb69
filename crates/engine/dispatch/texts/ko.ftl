address-bad = { $channel } 채널의 주소가 아닙니다: { $address }
    .hint = 휴대폰 번호는 010-1234-5678, 이메일은 name@example.com 형식입니다
ad-label-missing = 광고 템플릿 { $template }의 첫머리에 (광고) 표시가 없습니다
    .hint = 정보통신망법 제50조에 따라 본문(이메일은 제목)을 (광고)로 시작하세요
ad-refusal-missing = 광고 템플릿 { $template }에 무료 수신거부 방법이 없습니다
    .hint = 본문 끝에 무료거부와 080 번호를 적으세요
allow-list-address = `dispatch.allow_list`에 주소가 아닌 값이 있습니다: { $address }
    .hint = 시험 수신자의 휴대폰 번호나 이메일 주소를 적으세요
audit-balances = 계정이 맞습니다: 프레임 { $frames }개를 읽었고, 모든 메시지가 정확히 한 상태에 있습니다
audit-does-not-balance = 계정이 맞지 않습니다: 프레임 { $frames }개를 읽었습니다
campaign-state = 캠페인이 { $state } 상태라서 { JOSA($wanted, "으로/로") } 바꿀 수 없습니다
    .hint = `naru campaign show`로 현재 상태를 확인하세요
campaign-unknown = { $campaign } 캠페인이 없습니다
    .hint = `naru campaign list`에서 캠페인과 아이디를 볼 수 있습니다
idempotency-key-reused = 이 Idempotency-Key는 다른 본문으로 이미 쓰였습니다
    .hint = 새 요청에는 새 키를 쓰세요. 같은 키는 같은 요청을 반복할 때만 씁니다
import-cancelled = 이 파일의 캠페인({ $campaign })이 취소되어 더 접수하지 않습니다
    .hint = 그래도 보내려면 --name에 다른 이름을 주세요
import-interrupted = 파일 접수가 중단되었습니다. 접수된 줄은 보존됩니다
    .hint = 같은 명령을 다시 실행하면 마지막으로 저장된 줄 다음부터 이어집니다
import-running = 이 파일은 지금 접수 중입니다
    .hint = 끝날 때까지 기다리세요. 다른 프로세스가 죽었다면 15초 뒤에 다시 시도하세요
import-taken-over = 다른 프로세스가 이 파일을 이어받았습니다
    .hint = `naru campaign show`로 진행 상황을 볼 수 있습니다
intake-full = 저장을 기다리는 요청이 너무 많습니다
    .hint = `Retry-After`에 적힌 시간 뒤에 다시 시도하세요
intake-stopped = naru가 종료 중이라 접수를 멈췄습니다
    .hint = 실행 중인 인스턴스에 같은 Idempotency-Key로 다시 보내세요
lane-not-running = { $lane } 레인이 실행 중이 아닙니다
    .hint = `naru serve`를 시작하세요
lane-column-lane = 레인
lane-column-state = 상태
lane-column-provider = 공급자
lane-column-channel = 채널
lane-column-requests = 초당 요청
lane-column-messages = 초당 메시지
lane-column-in-flight = 전송 중
lane-column-held = 보류
lane-column-today = 오늘
lane-gone = 메시지 { $messages }건이 설정에 없는 { $lane } 레인을 기다립니다
    .hint = naru.toml에 [dispatch.lane.{ $lane }]을 다시 넣거나, `naru campaign cancel`로 캠페인을 끝내세요
lane-name = `[dispatch.lane.{ $lane }]`의 이름은 주소에 쓸 수 없습니다
    .hint = 글자, 숫자, 하이픈, 밑줄, 점을 100자까지 쓸 수 있습니다
lane-shards = [dispatch.lane.{ $lane }]의 샤드가 { $shards }개인데, `{ $key }` 값이 작아 모두에게 나누어 줄 수 없습니다
    .hint = 샤드를 각 한도보다 많지 않게 하거나 한도를 올리세요
lane-shards-busy = 레인 { $lane }에 기다리는 메시지가 있어 지금은 { $shards }개 샤드로 나눌 수 없습니다
    .hint = `shards`를 되돌리고, 레인이 비거나 캠페인을 취소한 뒤에 바꾸세요
lane-silent = 레인 { $lane }을(를) 맡은 인스턴스가 답하지 않습니다
    .hint = `naru lane list`와 그 인스턴스의 로그를 보세요. 명령을 다시 실행하면 이어집니다
lane-state-elsewhere = { $instance }에서 실행 중
lane-state-running = 발송 중
lane-state-stopped = 실행 중 아님
lane-state-paused = 일시 정지
lane-state-blocked = 막힘: { $code }
lane-state-stalled = 보류된 메시지가 너무 많음
lane-state-day-spent = 하루 한도를 다 씀
lane-state-gone = 설정에 없음
message-unknown = { $message } 메시지가 없습니다
    .hint = 메시지 아이디는 0192f0c1…-17 형식입니다. `naru message find --to 주소`로 찾을 수 있습니다
provider-unreachable = { $lane } 레인의 공급자가 응답하지 않습니다
    .hint = `dispatch.lane.{ $lane }.url`과 비밀 값을 확인하세요
receipts-full = 저장을 기다리는 수신 결과가 너무 많습니다
    .hint = 공급자가 다시 보냅니다
receipts-stopped = naru가 종료 중이라 수신 결과를 받지 않습니다
    .hint = 공급자가 다시 보냅니다
route-channel = `dispatch.route`가 { $channel }을 다른 채널의 레인 { JOSA($lane, "으로/로") } 보냅니다
    .hint = 같은 채널의 레인만 적으세요
route-missing = { $channel } 채널을 맡은 레인이 없습니다
    .hint = naru.toml에 [dispatch.lane.이름] 절을 만들고 channel = "{ $channel }"을 적으세요
route-unknown = `dispatch.route`가 { $channel }에 { $lane } 레인을 적었지만 그런 레인이 없습니다
    .hint = [dispatch.lane.{ $lane }]을 추가하거나 경로를 고치세요
state-accepted = 접수
state-pending = 대기
state-sent = 전송
state-delivered = 도착
state-failed = 실패
state-expired = 만료
state-suppressed = 발송 제외
state-cancelled = 취소
state-unknown = 확인 안 됨
template-character = 템플릿 { $template }에 문자 메시지로 보낼 수 없는 글자가 있습니다: { $character }
    .hint = 문자는 KS X 1001 글자만 보낼 수 있습니다. 원 기호는 원으로, 긴 줄표는 -로 쓰고 이모지는 빼세요
template-empty = 템플릿 { $template }에 본문이 없습니다
    .hint = 보낼 글을 `body`에 적으세요
template-id = `{ $template }`은 템플릿 이름으로 쓸 수 없습니다
    .hint = 글자, 숫자, 하이픈, 밑줄, 점을 100자까지 쓸 수 있습니다
template-subject-missing = 이메일 템플릿 { $template }에 제목이 없습니다
    .hint = subject = "…" 줄을 추가하세요
template-syntax = 템플릿 { JOSA($template, "을/를") } 읽을 수 없습니다: { $why }
    .hint = 변수는 { "#{" }이름{ "}" } 형식입니다
template-too-long = { $unit ->
        [characters] 템플릿 { $template }의 본문이 값을 빼고도 { $length }자입니다. { $max }자까지 보낼 수 있습니다
       *[bytes] 템플릿 { $template }의 본문이 값을 빼고도 { $length }바이트입니다. { $max }바이트까지 보낼 수 있습니다
    }
    .hint = 글을 줄이세요. long = true인 문자 템플릿은 LMS로 2,000바이트까지 보냅니다
template-unknown = { $template } 템플릿이 없습니다 (있는 템플릿: { $known })
    .hint = `naru template push 폴더`로 템플릿을 올리세요
template-version-unknown = 템플릿 { $template }의 { $version }번 버전이 없습니다
    .hint = `naru template list`에서 저장된 버전을 볼 수 있습니다
text-character = 문자 메시지로 보낼 수 없는 글자입니다: { $character }
    .hint = 문자는 KS X 1001 글자만 보낼 수 있습니다. 원 기호는 원으로, 긴 줄표는 -로 쓰고 이모지는 빼세요
text-too-long = { $unit ->
        [characters] 본문이 { $length }자입니다. { $max }자까지 보낼 수 있습니다
       *[bytes] 본문이 { $length }바이트입니다. { $max }바이트까지 보낼 수 있습니다
    }
    .hint = 본문이나 변수 값을 줄이세요. long = true인 문자 템플릿은 LMS로 2,000바이트까지 보냅니다
