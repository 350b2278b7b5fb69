secret-empty = The secret of `{ $key }` in { $place } is empty
    .hint = Put the secret there; naru reads it once at the start
secret-unreadable = The secret of `{ $key }` cannot be read from { $place }
    .hint = Check that it exists and that this user may read it
bug = Something went wrong inside naru
    .hint = This is naru's own fault. Please report it with the lines above
