certificates-wrong = { $path }의 인증서를 쓸 수 없습니다
    .hint = `{ $key }`에는 PEM 형식 인증서 파일(`BEGIN CERTIFICATE`로 시작하는 텍스트)을 지정하세요
