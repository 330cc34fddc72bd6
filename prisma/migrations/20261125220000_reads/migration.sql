-- Replicas answer reads from memory until they are told that the rows have changed. Told by the database, so that no writer can
-- forget it; a transaction that is rolled back tells nothing.

-- One notification for a hundred lines, as a payload must stay below 8000 bytes. An empty one means: anything may have changed.
CREATE FUNCTION "notify_lines"(channel TEXT, lines TEXT[]) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  IF lines IS NULL THEN
    RETURN;
  END IF;
  PERFORM pg_notify(channel, CASE WHEN octet_length(payload) < 8000 THEN payload ELSE '' END)
     FROM (SELECT string_agg(line, E'\n') AS payload
             FROM unnest(lines) WITH ORDINALITY AS l (line, place)
            GROUP BY (place - 1) / 100) AS batches;
END $$;

-- Lists, by team: `+team` when any of its totals may be another, `~team` when only what its pages show may be, and who has
-- which status.
CREATE FUNCTION "notify_instances_inserted"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM notify_lines('instance_lists', (SELECT array_agg(DISTINCT '+' || team_id) FROM new_rows));
  RETURN NULL;
END $$;

CREATE FUNCTION "notify_instances_updated"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM notify_lines('instances', (SELECT array_agg(id) FROM new_rows));
  PERFORM notify_lines('instance_lists', (
    SELECT array_agg(DISTINCT CASE WHEN moved THEN '+' ELSE '~' END || team_id)
      FROM (SELECT n.team_id,
                   (n.phase, n.ready_at, n.gpu_num, n.billing_mode) IS DISTINCT FROM
                   (o.phase, o.ready_at, o.gpu_num, o.billing_mode) AS changed,
                   (n.team_id, n.name, n.product_name, n.region, n.labels, n.created_at, n.deleted_at) IS DISTINCT FROM
                   (o.team_id, o.name, o.product_name, o.region, o.labels, o.created_at, o.deleted_at) AS moved
              FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id) AS pairs
     WHERE changed OR moved));
  RETURN NULL;
END $$;

CREATE FUNCTION "notify_instances_deleted"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM notify_lines('instances', (SELECT array_agg(id) FROM old_rows));
  PERFORM notify_lines('instance_lists', (SELECT array_agg(DISTINCT '+' || team_id) FROM old_rows));
  RETURN NULL;
END $$;

-- Sightings are written in bulk and mostly change nothing that an answer shows: those tell nothing.
CREATE FUNCTION "notify_placements_updated"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM notify_lines('instances', (
    SELECT array_agg(DISTINCT n.instance_id)
      FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id
     WHERE (n.version, n.instance_id, n.novita_id, n.region, n.product_id, n.billing_mode, n.price_per_hour_micros, n.seen_raw_status)
           IS DISTINCT FROM
           (o.version, o.instance_id, o.novita_id, o.region, o.product_id, o.billing_mode, o.price_per_hour_micros, o.seen_raw_status)));
  RETURN NULL;
END $$;

CREATE FUNCTION "notify_placements_deleted"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM notify_lines('instances', (SELECT array_agg(DISTINCT instance_id) FROM old_rows));
  RETURN NULL;
END $$;

CREATE FUNCTION "notify_truncated"() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('instances', '');
  PERFORM pg_notify('instance_lists', '');
  RETURN NULL;
END $$;

CREATE TRIGGER "instances_notify_inserted" AFTER INSERT ON "instances"
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "notify_instances_inserted"();
CREATE TRIGGER "instances_notify_updated" AFTER UPDATE ON "instances"
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "notify_instances_updated"();
CREATE TRIGGER "instances_notify_deleted" AFTER DELETE ON "instances"
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "notify_instances_deleted"();
CREATE TRIGGER "instances_notify_truncated" AFTER TRUNCATE ON "instances"
  FOR EACH STATEMENT EXECUTE FUNCTION "notify_truncated"();
CREATE TRIGGER "placements_notify_updated" AFTER UPDATE ON "placements"
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "notify_placements_updated"();
CREATE TRIGGER "placements_notify_deleted" AFTER DELETE ON "placements"
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "notify_placements_deleted"();

-- The order of lists, without what was deleted: a page is read from it as it stands, however many deleted ones lie between.
CREATE INDEX "instances_listed" ON "instances" ("team_id", "created_at" DESC, "id" DESC) WHERE "deleted_at" IS NULL;
