//! Where operations are told of outside: messages of a chat that show how one stands, and go on showing it after a restart.

use naru_core::clock::Millis;
use naru_core::failure::Failure;
use naru_core::id::Id;
use naru_store::Store;
use naru_store::error::StoreError;

use crate::rows::id_column;

/// Places that are taken up again at once.
const TAKEN_UP_MAX: i64 = 500;

/// Remembers a place.
pub async fn put(store: &Store, operation: Id, place: String, at: Millis) -> Result<(), Failure> {
    let put = store.write(move |conn| {
        let place = place.clone();
        Box::pin(async move {
            sqlx::query(
                "INSERT INTO operation_card (operation, place, at) VALUES ($1, $2, $3)
                 ON CONFLICT (operation, place) DO NOTHING",
            )
            .bind(operation.0.to_vec())
            .bind(place)
            .bind(at)
            .execute(conn)
            .await?;
            Ok(())
        })
    });
    Ok(put.await?)
}

/// The places where an operation is told of.
pub async fn of(store: &Store, operation: Id) -> Result<Vec<String>, Failure> {
    let places = sqlx::query_scalar("SELECT place FROM operation_card WHERE operation = $1 ORDER BY at LIMIT $2")
        .bind(operation.0.to_vec())
        .bind(TAKEN_UP_MAX)
        .fetch_all(store.reader());
    Ok(places.await.map_err(StoreError::from)?)
}

/// Places of operations that have not ended, or ended after `since`: whoever told there may have gone before its last word.
pub async fn open(store: &Store, since: Millis) -> Result<Vec<(Id, String)>, Failure> {
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
        "SELECT c.operation, c.place FROM operation_card c JOIN operation_run r ON r.id = c.operation
         WHERE r.ended_at IS NULL OR r.ended_at >= $1 ORDER BY c.at DESC LIMIT $2",
    )
    .bind(since)
    .bind(TAKEN_UP_MAX)
    .fetch_all(store.reader())
    .await
    .map_err(StoreError::from)?;
    rows.into_iter().map(|(id, place)| Ok((id_column(id)?, place))).collect()
}
