use serde_json::json;
use tokio_postgres::{Error, NoTls, Transaction};

async fn write(tx: &Transaction<'_>) -> Result<(), Error> {
    // page: tokio-postgres
    let order = json!({"total": 10, "note": "å \\ \" \n"});
    tx.query_one(
        "SELECT outbox.publish(topic => $1, key => $2, type => $3, payload => $4, headers => $5)",
        &[&"orders", &"order-1", &"order.placed", &order, &json!({"traceparent": "00-ab"})],
    )
    .await?;
    tx.query_one(
        "SELECT outbox.publish_bytes(topic => $1, key => $2, type => $3, payload => $4, content_type => $5)",
        &[&"orders", &"order-1", &"order.scanned", &&[0u8, 1, 254, 123][..], &"application/x-protobuf"],
    )
    .await?;
    tx.query_one(
        "SELECT outbox.submit(type => $1, key => $2, actor => $3, payload => $4)",
        &[&"CreateClass", &"teacher-1", &"teacher-1", &json!({"name": "9A", "course_codes": ["ENG5"]})],
    )
    .await?;
    // page: end
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("WRITER_URL").expect("WRITER_URL");
    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let tx = client.transaction().await?;
    write(&tx).await?;
    tx.commit().await
}
