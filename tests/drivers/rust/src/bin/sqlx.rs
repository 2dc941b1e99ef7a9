use serde_json::json;
use sqlx::{Connection, Error, PgConnection, Postgres, Transaction};

async fn write(tx: &mut Transaction<'_, Postgres>) -> Result<(), Error> {
    // page: sqlx
    sqlx::query("SELECT outbox.publish(topic => $1, key => $2, type => $3, payload => $4, headers => $5)")
        .bind("orders")
        .bind("order-1")
        .bind("order.placed")
        .bind(json!({"total": 10, "note": "å \\ \" \n"}))
        .bind(json!({"traceparent": "00-ab"}))
        .execute(&mut **tx)
        .await?;
    sqlx::query("SELECT outbox.publish_bytes(topic => $1, key => $2, type => $3, payload => $4, content_type => $5)")
        .bind("orders")
        .bind("order-1")
        .bind("order.scanned")
        .bind(&[0u8, 1, 254, 123][..])
        .bind("application/x-protobuf")
        .execute(&mut **tx)
        .await?;
    sqlx::query("SELECT outbox.submit(type => $1, key => $2, actor => $3, payload => $4)")
        .bind("CreateClass")
        .bind("teacher-1")
        .bind("teacher-1")
        .bind(json!({"name": "9A", "course_codes": ["ENG5"]}))
        .execute(&mut **tx)
        .await?;
    // page: end
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("WRITER_URL").expect("WRITER_URL");
    let mut connection = PgConnection::connect(&url).await?;
    let mut tx = connection.begin().await?;
    write(&mut tx).await?;
    tx.commit().await
}
