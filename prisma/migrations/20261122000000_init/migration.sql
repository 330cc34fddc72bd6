-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "deployment" (
    "key" TEXT NOT NULL,
    "value" TEXT NOT NULL,

    CONSTRAINT "deployment_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "instances" (
    "id" TEXT NOT NULL,
    "team_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "product_name" TEXT NOT NULL,
    "template_id" TEXT NOT NULL,
    "gpu_num" INTEGER NOT NULL,
    "rootfs_size_gb" INTEGER NOT NULL,
    "region" TEXT NOT NULL,
    "billing_mode" TEXT NOT NULL,
    "webhook_url" TEXT,
    "readiness" JSONB,
    "spot_policy" TEXT NOT NULL DEFAULT 'migrate',
    "fallback_to_on_demand" BOOLEAN NOT NULL DEFAULT false,
    "labels" JSONB NOT NULL DEFAULT '{}',
    "desired" TEXT NOT NULL,
    "phase" TEXT NOT NULL,
    "phase_since" TIMESTAMPTZ(3) NOT NULL,
    "reason_code" TEXT,
    "reason_message" TEXT,
    "deadline_at" TIMESTAMPTZ(3),
    "next_check_at" TIMESTAMPTZ(3),
    "current_placement_id" TEXT,
    "connection" JSONB,
    "action" TEXT,
    "action_sent_at" TIMESTAMPTZ(3),
    "probe_started_at" TIMESTAMPTZ(3),
    "probe_last_seen" TEXT,
    "stop_requested_at" TIMESTAMPTZ(3),
    "loss_count" INTEGER NOT NULL DEFAULT 0,
    "lost_at" TIMESTAMPTZ(3),
    "loss_reason" TEXT,
    "recovery_trigger" TEXT,
    "event_sequence" INTEGER NOT NULL DEFAULT 0,
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    "ready_at" TIMESTAMPTZ(3),
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "instances_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "placements" (
    "id" TEXT NOT NULL,
    "instance_id" TEXT NOT NULL,
    "unique_name" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "product_id" TEXT NOT NULL,
    "cluster_id" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "billing_mode" TEXT NOT NULL,
    "gpu_num" INTEGER NOT NULL,
    "price_per_hour_micros" BIGINT NOT NULL,
    "ports" JSONB NOT NULL DEFAULT '[]',
    "novita_id" TEXT,
    "create_sent_at" TIMESTAMPTZ(3),
    "outcome_unknown_since" TIMESTAMPTZ(3),
    "seen_status" TEXT,
    "seen_error" TEXT,
    "seen_spot_status" TEXT,
    "seen_reclaim_at" TIMESTAMPTZ(3),
    "last_seen_at" TIMESTAMPTZ(3),
    "missing_since" TIMESTAMPTZ(3),
    "missing_at" TIMESTAMPTZ(3),
    "billed_from" TIMESTAMPTZ(3),
    "billed_to" TIMESTAMPTZ(3),
    "retire_reason" TEXT,
    "delete_sent_at" TIMESTAMPTZ(3),
    "retire_attempts" INTEGER NOT NULL DEFAULT 0,
    "next_check_at" TIMESTAMPTZ(3),
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "placements_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "events" (
    "position" BIGSERIAL NOT NULL,
    "id" TEXT NOT NULL,
    "tx_id" BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text)::bigint,
    "instance_id" TEXT NOT NULL,
    "team_id" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "from_phase" TEXT,
    "to_phase" TEXT NOT NULL,
    "reason_code" TEXT,
    "data" JSONB NOT NULL DEFAULT '{}',
    "body" TEXT,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "events_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "webhook_endpoints" (
    "id" TEXT NOT NULL,
    "team_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'enabled',
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "webhook_endpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_deliveries" (
    "id" TEXT NOT NULL,
    "event_id" TEXT NOT NULL,
    "endpoint_id" TEXT NOT NULL,
    "instance_id" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_attempt_at" TIMESTAMPTZ(3),
    "claimed_until" TIMESTAMPTZ(3),
    "claim_token" TEXT,
    "last_status" INTEGER,
    "last_class" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "delivered_at" TIMESTAMPTZ(3),

    CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "leases" (
    "name" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "token" BIGINT NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "leases_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "upstream_gate" (
    "name" TEXT NOT NULL,
    "tokens" DOUBLE PRECISION NOT NULL,
    "refilled_at" TIMESTAMPTZ(3) NOT NULL,
    "paused_until" TIMESTAMPTZ(3),
    "consecutive_failures" INTEGER NOT NULL DEFAULT 0,
    "open_until" TIMESTAMPTZ(3),
    "last_success_at" TIMESTAMPTZ(3),
    "last_failure_at" TIMESTAMPTZ(3),
    "last_failure_class" TEXT,

    CONSTRAINT "upstream_gate_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "sweeps" (
    "name" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),
    "next_at" TIMESTAMPTZ(3),
    "machines_seen" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "sweeps_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "counters" (
    "name" TEXT NOT NULL,
    "replica" TEXT NOT NULL,
    "value" BIGINT NOT NULL DEFAULT 0,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "counters_pkey" PRIMARY KEY ("name","replica")
);

-- CreateTable
CREATE TABLE "stock_outs" (
    "cluster_id" TEXT NOT NULL,
    "product_id" TEXT NOT NULL,
    "billing_mode" TEXT NOT NULL,
    "until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "stock_outs_pkey" PRIMARY KEY ("cluster_id","product_id","billing_mode")
);

-- CreateTable
CREATE TABLE "orphans" (
    "novita_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "instance_id" TEXT,
    "first_seen_at" TIMESTAMPTZ(3) NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "removed_at" TIMESTAMPTZ(3),

    CONSTRAINT "orphans_pkey" PRIMARY KEY ("novita_id")
);

-- CreateIndex
CREATE INDEX "instances_team_id_created_at_id_idx" ON "instances"("team_id", "created_at" DESC, "id");

-- CreateIndex
CREATE INDEX "instances_next_check_at_idx" ON "instances"("next_check_at");

-- CreateIndex
CREATE INDEX "instances_phase_idx" ON "instances"("phase");

-- CreateIndex
CREATE UNIQUE INDEX "placements_unique_name_key" ON "placements"("unique_name");

-- CreateIndex
CREATE UNIQUE INDEX "placements_novita_id_key" ON "placements"("novita_id");

-- CreateIndex
CREATE INDEX "placements_instance_id_idx" ON "placements"("instance_id");

-- CreateIndex
CREATE INDEX "placements_state_idx" ON "placements"("state");

-- CreateIndex
CREATE INDEX "placements_next_check_at_idx" ON "placements"("next_check_at");

-- CreateIndex
CREATE UNIQUE INDEX "events_id_key" ON "events"("id");

-- CreateIndex
CREATE INDEX "events_tx_id_position_idx" ON "events"("tx_id", "position");

-- CreateIndex
CREATE INDEX "events_team_id_tx_id_position_idx" ON "events"("team_id", "tx_id", "position");

-- CreateIndex
CREATE UNIQUE INDEX "events_instance_id_sequence_key" ON "events"("instance_id", "sequence");

-- CreateIndex
CREATE UNIQUE INDEX "webhook_endpoints_team_id_kind_url_key" ON "webhook_endpoints"("team_id", "kind", "url");

-- CreateIndex
CREATE INDEX "webhook_deliveries_state_next_attempt_at_idx" ON "webhook_deliveries"("state", "next_attempt_at");

-- CreateIndex
CREATE INDEX "webhook_deliveries_endpoint_id_instance_id_sequence_idx" ON "webhook_deliveries"("endpoint_id", "instance_id", "sequence");

-- CreateIndex
CREATE UNIQUE INDEX "webhook_deliveries_event_id_endpoint_id_key" ON "webhook_deliveries"("event_id", "endpoint_id");

-- AddForeignKey
ALTER TABLE "placements" ADD CONSTRAINT "placements_instance_id_fkey" FOREIGN KEY ("instance_id") REFERENCES "instances"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_event_id_fkey" FOREIGN KEY ("event_id") REFERENCES "events"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_endpoint_id_fkey" FOREIGN KEY ("endpoint_id") REFERENCES "webhook_endpoints"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- The gate has exactly one row; more tokens than any bucket holds means: full.
INSERT INTO "upstream_gate" ("name", "tokens", "refilled_at", "consecutive_failures") VALUES ('novita', 1000000000, now(), 0);
