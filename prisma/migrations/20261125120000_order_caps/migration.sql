-- A key that takes over from another one counts with it: what they share is the first key's id.
ALTER TABLE "api_keys" ADD COLUMN "family" TEXT, ADD COLUMN "max_instances" INTEGER;
WITH RECURSIVE "lines" AS (
  SELECT "id", "id" AS "family" FROM "api_keys" WHERE "replaces" IS NULL
  UNION ALL
  SELECT k."id", l."family" FROM "api_keys" k JOIN "lines" l ON k."replaces" = l."id"
)
UPDATE "api_keys" k SET "family" = l."family" FROM "lines" l WHERE l."id" = k."id";
ALTER TABLE "api_keys" ALTER COLUMN "family" SET NOT NULL;

-- CreateTable
CREATE TABLE "capped_orders" (
    "instance_id" TEXT NOT NULL,
    "key_family" TEXT NOT NULL,

    CONSTRAINT "capped_orders_pkey" PRIMARY KEY ("instance_id")
);

-- CreateIndex
CREATE INDEX "capped_orders_key_family_idx" ON "capped_orders"("key_family");
