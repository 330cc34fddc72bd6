-- AlterTable
ALTER TABLE "instances" ADD COLUMN     "notice_deadline_at" TIMESTAMPTZ(3),
ADD COLUMN     "notice_placement_id" TEXT,
ADD COLUMN     "noticed_at" TIMESTAMPTZ(3),
ADD COLUMN     "replace_by" TIMESTAMPTZ(3),
ADD COLUMN     "successor_placement_id" TEXT;

-- CreateTable
CREATE TABLE "migration_executions" (
    "id" TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "dry_run" BOOLEAN NOT NULL DEFAULT false,
    "max_migrations" INTEGER,
    "total_instances" INTEGER NOT NULL DEFAULT 0,
    "exited_instances" INTEGER NOT NULL DEFAULT 0,
    "error" TEXT,
    "holder" TEXT,
    "lease_until" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "started_at" TIMESTAMPTZ(3),
    "completed_at" TIMESTAMPTZ(3),

    CONSTRAINT "migration_executions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "migration_attempts" (
    "id" TEXT NOT NULL,
    "execution_id" TEXT,
    "instance_id" TEXT NOT NULL,
    "team_id" TEXT NOT NULL,
    "placement_id" TEXT,
    "cause" TEXT NOT NULL,
    "triggered_by" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "because" TEXT NOT NULL,
    "message" TEXT,
    "tried" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "means" TEXT,
    "sent_at" TIMESTAMPTZ(3),
    "answered_at" TIMESTAMPTZ(3),
    "steps" JSONB NOT NULL DEFAULT '[]',
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "migration_attempts_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "migration_executions_created_at_id_idx" ON "migration_executions"("created_at" DESC, "id");

-- CreateIndex
CREATE INDEX "migration_attempts_execution_id_idx" ON "migration_attempts"("execution_id");

-- CreateIndex
CREATE INDEX "migration_attempts_instance_id_started_at_idx" ON "migration_attempts"("instance_id", "started_at" DESC);

-- AddForeignKey
ALTER TABLE "migration_attempts" ADD CONSTRAINT "migration_attempts_execution_id_fkey" FOREIGN KEY ("execution_id") REFERENCES "migration_executions"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- One execution at a time, whichever replica begins it.
CREATE UNIQUE INDEX "migration_executions_one_at_a_time" ON "migration_executions" ((true)) WHERE "state" IN ('queued', 'running');

-- One open attempt for an instance.
CREATE UNIQUE INDEX "migration_attempts_one_open" ON "migration_attempts" ("instance_id") WHERE "state" = 'open';

-- Attempts that no execution has taken on yet.
CREATE INDEX "migration_attempts_loose" ON "migration_attempts" ("started_at") WHERE "execution_id" IS NULL;

-- Machines that are announced to be taken away, or moved by the provider.
CREATE INDEX "placements_with_news" ON "placements" ("instance_id") WHERE "state" = 'confirmed' AND ("seen_spot_status" IN ('notified', 'reclaiming') OR "seen_status" = 'migrating');
