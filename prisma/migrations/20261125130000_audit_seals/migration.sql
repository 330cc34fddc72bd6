-- The order in which entries are sealed: that of the transactions, in which none can come late.
ALTER TABLE "audit_entries" ADD COLUMN "tx_id" BIGINT NOT NULL DEFAULT event_tx_id(),
ADD COLUMN "before_hash" TEXT,
ADD COLUMN "after_hash" TEXT;

-- CreateIndex
CREATE INDEX "audit_entries_tx_id_position_idx" ON "audit_entries"("tx_id", "position");

-- CreateTable
CREATE TABLE "audit_seals" (
    "number" BIGINT NOT NULL,
    "through_tx_id" BIGINT NOT NULL,
    "through_position" BIGINT NOT NULL,
    "entries" INTEGER NOT NULL,
    "hash" TEXT NOT NULL,
    "sealed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "audit_seals_pkey" PRIMARY KEY ("number")
);

CREATE TRIGGER "audit_seals_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_seals"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_audit_change"();
