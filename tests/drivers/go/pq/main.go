package main

import (
	"database/sql"
	"encoding/json"
	"log"
	"os"

	_ "github.com/lib/pq"
)

func write(tx *sql.Tx) error {
	// page: lib/pq
	order, err := json.Marshal(map[string]any{"total": 10, "note": "å \\ \" \n"})
	if err != nil {
		return err
	}
	_, err = tx.Exec(`SELECT outbox.publish(topic => $1, key => $2, type => $3, payload => $4, headers => $5)`,
		"orders", "order-1", "order.placed", string(order), `{"traceparent": "00-ab"}`)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`SELECT outbox.publish_bytes(topic => $1, key => $2, type => $3, payload => $4, content_type => $5)`,
		"orders", "order-1", "order.scanned", []byte{0, 1, 254, 123}, "application/x-protobuf")
	if err != nil {
		return err
	}
	_, err = tx.Exec(`SELECT outbox.submit(type => $1, key => $2, actor => $3, payload => $4)`,
		"CreateClass", "teacher-1", "teacher-1", `{"name": "9A", "course_codes": ["ENG5"]}`)
	return err
	// page: end
}

func main() {
	db, err := sql.Open("postgres", os.Getenv("WRITER_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		log.Fatal(err)
	}
	if err = write(tx); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		log.Fatal(err)
	}
}
