consent-said-blocked = 이제 { $address } 주소로는 { $channel ->
        [all] 모든 채널에서
       *[other] { $channel } 채널에서
    } { $scope ->
        [ads] 광고를
       *[all] 메시지를
    } 보내지 않습니다
consent-said-blocked-before = { $address } 주소는 이미 같은 범위로 차단되어 있습니다. 새 차단도 함께 기록했습니다
consent-said-withdrawn = 이 차단으로 광고 수신 동의 { $count }건이 철회되었습니다. 차단을 풀어도 광고를 보내려면 새 동의가 필요합니다
consent-said-unblocked = { $address } 주소의 차단을 풀었습니다. 광고는 차단 뒤에 받은 동의가 있어야 보냅니다
consent-said-not-blocked = { $address } 주소에는 해당하는 차단이 없습니다. 바뀐 것은 없습니다
consent-said-still-blocked = { $address } 주소에 차단 { $count }건이 남아 있습니다. `naru consent show`로 확인하고, 모두 풀려면 `--channel` 없이 `naru consent unblock`을 실행하세요

consent-show-nothing = 이 주소에 대한 기록이 없습니다
consent-show-channel = 채널
consent-show-auth = 인증
consent-show-info = 정보성
consent-show-ad = 광고
consent-show-send = 발송
consent-show-suppressed = 차단
consent-show-no-consent = 동의 없음
consent-show-hold = { $until }까지 보류
consent-show-blocked-at = 차단 시각
consent-show-scope = 범위
consent-show-why = 사유
consent-show-who = 입력한 사람
consent-show-lifted-at = 해제 시각
consent-show-lifted-by = 해제한 사람
consent-show-given-at = 동의 시각
consent-show-night = 야간
consent-show-evidence = 증빙
consent-show-stored-at = 저장 시각
consent-show-withdrawn-at = 철회 시각

consent-import-rows = 전체 행
consent-import-stored = 저장
consent-import-unchanged = 이미 있음
consent-import-withdrawn = 차단 때문에 철회 상태로 저장
consent-import-refused = 거절
consent-import-line = 줄
consent-import-code = 코드
consent-import-detail = 이유
consent-import-hint = 해결 방법
consent-import-more = … 그 밖에 거절된 행 { $count }개

consent-address-wrong = naru가 보낼 수 있는 전화번호나 이메일 주소가 아닙니다
    .hint = 국내 휴대전화 번호나 이메일 주소를 적으세요. 푸시 토큰이면 `--channel push`를 붙이세요
consent-address-not-of-channel = { $channel } 채널의 주소가 아닙니다
    .hint = 주소를 확인하거나 주소에 맞는 채널을 적으세요
consent-why-wrong = 사유가 { $bytes }바이트를 넘거나 저장할 수 없는 문자가 들어 있습니다
    .hint = 한 문장으로 줄이세요. 긴 문서는 다른 곳에 두고 여기에는 이름만 적으세요
consent-file-missing = 요청에 파일이 없습니다
    .hint = `naru consent import 파일`을 실행하세요. HTTP에서는 파일을 업로드로 함께 보내세요
consent-file-unreadable = 파일을 읽을 수 없습니다
    .hint = 파일이 있는지, 이 사용자에게 읽기 권한이 있는지 확인하세요
consent-file-not-csv = CSV가 아니라 엑셀 통합 문서이거나 UTF-16 텍스트입니다
    .hint = 엑셀에서 "다른 이름으로 저장"을 열고 "CSV UTF-8(쉼표로 분리)"을 고르세요
consent-header-missing = 첫 줄에 열 이름이 아니라 주소가 있습니다 ({ $address })
    .hint = 그 앞에 이 줄을 넣으세요: address,channel,night,given_at,evidence
consent-column-missing = { $column } 열이 없습니다. 찾은 열: { $found }
    .hint = 첫 줄에 address, channel, night, given_at, evidence를 쉼표로 나누어 적으세요
consent-column-twice = { $column } 열이 두 번 이상 있습니다
    .hint = 쓰지 않을 열을 지우거나 이름을 바꾸세요
consent-row-long = { $line }번째 줄에서 시작하는 행이 { $bytes }바이트를 넘습니다. 그 앞의 행은 저장되었습니다
    .hint = 그 줄에서 열고 닫지 않은 따옴표를 찾아 고친 뒤 파일을 다시 가져오세요
consent-import-stopped = naru가 종료되는 중입니다. { $rows }개 행까지 처리했습니다
    .hint = naru를 다시 켠 뒤 같은 파일을 가져오세요. 이미 저장된 행은 그대로입니다
consent-night-short = { $channel } 채널에서 { $found ->
        [none] 광고를 쉬는 시간이 없습니다
       *[other] 광고를 쉬는 시간이 { $found }입니다
    }. 법이 정한 시간은 { $needed }입니다(정보통신망법 제50조)
    .hint = 이 시간을 모두 포함하도록 `[consent]`나 `[consent.channel.{ $channel }]`의 `night_from`과 `night_until`을 고치세요

consent-row-columns = 칸 수가 첫 줄과 다릅니다
    .hint = 쉼표가 들어간 칸은 따옴표로 묶으세요
consent-row-encoding = 글자로 읽을 수 없는 칸이 있습니다
    .hint = 파일을 CSV UTF-8로 저장하세요
consent-channel-unknown = 채널이 sms, alimtalk, brand, email, push 가운데 하나가 아닙니다
    .hint = 이 가운데 하나를 적으세요. 두 채널에 동의했으면 두 행으로 나누세요
consent-address-bad = 채널에 맞는 주소가 아닙니다
    .hint = 전화번호는 010 같은 휴대전화 번호여야 하고, 이메일에는 도메인이 있어야 합니다
consent-night-bad = 야간 칸이 1도 0도 아닙니다
    .hint = 21시부터 8시까지의 광고에도 따로 동의했으면 1, 아니면 0을 적으세요
consent-given-bad = 동의 시각을 읽을 수 없습니다
    .hint = 2026-01-31, 2026-01-31 14:05:00(한국 시각), 2026-01-31T14:05:00+09:00 가운데 한 가지 모양으로 적으세요
consent-given-future = 동의 시각이 미래입니다
    .hint = 날짜와, 파일을 만든 시스템의 시계를 확인하세요
consent-evidence-missing = 동의를 증명할 내용이 없습니다
    .hint = 어디에서 어떻게 동의했는지 적으세요. 예: 가입 양식 이름과 버전
consent-evidence-long = 증빙이 1,000바이트를 넘습니다
    .hint = 내용을 옮겨 적지 말고 문서 이름을 적으세요
