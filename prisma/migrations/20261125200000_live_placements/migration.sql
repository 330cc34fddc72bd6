-- Every sweep reads the placements that may still exist, in pieces; those that are over only grow in number.
CREATE INDEX "placements_live" ON "placements" ("id") WHERE "state" IN ('intended', 'confirmed', 'retiring');
