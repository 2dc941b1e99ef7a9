package main

import (
	"context"
	"log"
	"os"

	"github.com/jackc/pgx/v5"
)

func write(ctx context.Context, tx pgx.Tx) error {
	// page: pgx
	order := map[string]any{"total": 10, "note": "å \\ \" \n"}
	_, err := tx.Exec(ctx, `SELECT outbox.publish(topic => $1, key => $2, type => $3, payload => $4, headers => $5)`,
		"orders", "order-1", "order.placed", order, map[string]string{"traceparent": "00-ab"})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `SELECT outbox.publish_bytes(topic => $1, key => $2, type => $3, payload => $4, content_type => $5)`,
		"orders", "order-1", "order.scanned", []byte{0, 1, 254, 123}, "application/x-protobuf")
	if err != nil {
		return err
	}
	class := map[string]any{"name": "9A", "course_codes": []string{"ENG5"}}
	_, err = tx.Exec(ctx, `SELECT outbox.submit(type => $1, key => $2, actor => $3, payload => $4)`,
		"CreateClass", "teacher-1", "teacher-1", class)
	return err
	// page: end
}

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, os.Getenv("WRITER_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return write(ctx, tx) })
	if err != nil {
		log.Fatal(err)
	}
}
