certificates-wrong = The certificates in { $path } cannot be used
    .hint = Point `{ $key }` to certificates in PEM: a text with `BEGIN CERTIFICATE`
