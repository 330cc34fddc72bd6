-- Transaction ids start small again in a database that was restored elsewhere; the offset keeps the log's order growing there.
CREATE FUNCTION "event_tx_id"() RETURNS BIGINT LANGUAGE sql VOLATILE AS $$
  SELECT (pg_current_xact_id()::text)::bigint
       + coalesce((SELECT "value"::bigint FROM "deployment" WHERE "key" = 'event-tx-offset'), 0)
$$;

-- Every event below it is final: no transaction that could still add one there is open. STABLE, so that it sees the snapshot
-- of the statement that asks.
CREATE FUNCTION "event_horizon"() RETURNS BIGINT LANGUAGE sql STABLE AS $$
  SELECT (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint
       + coalesce((SELECT "value"::bigint FROM "deployment" WHERE "key" = 'event-tx-offset'), 0)
$$;

ALTER TABLE "events" ALTER COLUMN "tx_id" SET DEFAULT event_tx_id();
CREATE INDEX "events_occurred_at_idx" ON "events"("occurred_at");

-- Postgres sends one notification for a transaction however many events it adds, and none when it is rolled back.
CREATE FUNCTION "notify_events"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('events', '');
  RETURN NULL;
END $$;
CREATE TRIGGER "events_notify" AFTER INSERT ON "events" FOR EACH STATEMENT EXECUTE FUNCTION "notify_events"();

-- Receivers
DROP INDEX "webhook_endpoints_team_id_kind_url_key";
UPDATE "webhook_endpoints" SET "kind" = 'instance' WHERE "kind" = 'inline';
ALTER TABLE "webhook_endpoints" ADD COLUMN     "claim_token" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "claimed_until" TIMESTAMPTZ(3),
ADD COLUMN     "disabled_at" TIMESTAMPTZ(3),
ADD COLUMN     "disabled_reason" TEXT,
ADD COLUMN     "event_types" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "failed_probes" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "failing_since" TIMESTAMPTZ(3),
ADD COLUMN     "failures_in_row" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "last_failure_at" TIMESTAMPTZ(3),
ADD COLUMN     "last_success_at" TIMESTAMPTZ(3),
ADD COLUMN     "next_probe_at" TIMESTAMPTZ(3),
ADD COLUMN     "secrets" JSONB NOT NULL DEFAULT '[]';
CREATE INDEX "webhook_endpoints_team_id_kind_idx" ON "webhook_endpoints"("team_id", "kind");
CREATE UNIQUE INDEX "webhook_endpoints_instance_url_key" ON "webhook_endpoints"("team_id", "url") WHERE "kind" = 'instance';

-- Deliveries
DROP INDEX "webhook_deliveries_state_next_attempt_at_idx";
DROP INDEX "webhook_deliveries_endpoint_id_instance_id_sequence_idx";
ALTER TABLE "webhook_deliveries" DROP CONSTRAINT "webhook_deliveries_event_id_fkey";
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_event_id_fkey" FOREIGN KEY ("event_id") REFERENCES "events"("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "webhook_deliveries" DROP COLUMN "claim_token",
DROP COLUMN "claimed_until",
ADD COLUMN     "client_errors" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "last_attempt_at" TIMESTAMPTZ(3),
ADD COLUMN     "parked" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "team_id" TEXT;
UPDATE "webhook_deliveries" d SET "team_id" = w."team_id" FROM "webhook_endpoints" w WHERE w."id" = d."endpoint_id";
ALTER TABLE "webhook_deliveries" ALTER COLUMN "team_id" SET NOT NULL;
CREATE INDEX "webhook_deliveries_team_id_created_at_id_idx" ON "webhook_deliveries"("team_id", "created_at" DESC, "id");
CREATE INDEX "webhook_deliveries_endpoint_id_created_at_id_idx" ON "webhook_deliveries"("endpoint_id", "created_at" DESC, "id");
-- Each instance's line of events at a receiver, and what has stepped out of its line.
CREATE INDEX "webhook_deliveries_lines_idx" ON "webhook_deliveries"("endpoint_id", "instance_id", "sequence") WHERE "state" = 'pending' AND NOT "parked";
CREATE INDEX "webhook_deliveries_parked_idx" ON "webhook_deliveries"("endpoint_id", "next_attempt_at") WHERE "state" = 'pending' AND "parked";
CREATE INDEX "webhook_deliveries_oldest_idx" ON "webhook_deliveries"("endpoint_id", "created_at", "sequence") WHERE "state" = 'pending';

CREATE TABLE "webhook_attempts" (
    "id" BIGSERIAL NOT NULL,
    "delivery_id" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "status" INTEGER,
    "class" TEXT,
    "duration_ms" INTEGER NOT NULL,
    "bytes" INTEGER NOT NULL,
    "is_probe" BOOLEAN NOT NULL,

    CONSTRAINT "webhook_attempts_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "webhook_attempts_delivery_id_idx" ON "webhook_attempts"("delivery_id");
ALTER TABLE "webhook_attempts" ADD CONSTRAINT "webhook_attempts_delivery_id_fkey" FOREIGN KEY ("delivery_id") REFERENCES "webhook_deliveries"("id") ON DELETE CASCADE ON UPDATE CASCADE;
