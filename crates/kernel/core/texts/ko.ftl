secret-empty = `{ $key }`의 비밀 값이 비어 있습니다 ({ $place })
    .hint = 그 자리에 값을 넣으세요. naru는 시작할 때 한 번 읽습니다
secret-unreadable = `{ $key }`의 비밀 값을 { $place }에서 읽지 못했습니다
    .hint = 값이 있는지, 이 사용자에게 읽기 권한이 있는지 확인하세요
bug = naru 안에서 문제가 생겼습니다
    .hint = naru의 잘못입니다. 위 내용과 함께 알려 주세요
