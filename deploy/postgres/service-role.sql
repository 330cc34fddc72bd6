-- A role for the service that may add to the audit trail and never change it. Run it as the owner of the database after
-- `npm run db:migrate` and a first start, and again after each upgrade; then give the service the role's DATABASE_URL and start
-- it with `npm run start:dist`, which migrates nothing.
--   psql "$OWNER_URL" -c "CREATE ROLE gpu_service LOGIN PASSWORD '…'"
--   psql "$OWNER_URL" -f deploy/postgres/service-role.sql
GRANT USAGE ON SCHEMA public, pgboss TO gpu_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, pgboss TO gpu_service;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public, pgboss TO gpu_service;
REVOKE UPDATE, DELETE ON audit_entries, audit_seals FROM gpu_service;
REVOKE INSERT, UPDATE, DELETE ON _prisma_migrations FROM gpu_service;
