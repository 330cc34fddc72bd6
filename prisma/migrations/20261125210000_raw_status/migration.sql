-- The provider's own word for the state of a machine, also where this service knows none for it.
ALTER TABLE "placements" ADD COLUMN "seen_raw_status" TEXT;
