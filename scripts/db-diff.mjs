// Prints the SQL that leads from the committed prisma/schema.prisma to the one in the working tree; the start of a new migration.
// `prisma migrate dev` would want a native engine; this uses the same engine as WebAssembly. Needs any reachable DATABASE_URL.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';

const require = createRequire(import.meta.url);
const SCHEMA = 'prisma/schema.prisma';

// The package's own entry imports the .wasm file as a module, which Node does not do by default.
async function loadEngine() {
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const bytes = readFileSync(require.resolve('@prisma/schema-engine-wasm').replace('.js', '_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings.SchemaEngine;
}

function committedSchema() {
  try {
    return execFileSync('git', ['show', `HEAD:${SCHEMA}`], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}

const asDatamodel = (content) =>
  content === undefined ? { tag: 'empty' } : { tag: 'schemaDatamodel', files: [{ path: SCHEMA, content }] };
const current = readFileSync(SCHEMA, 'utf8');
const SchemaEngine = await loadEngine();
const engine = await SchemaEngine.new(
  { datamodels: [[SCHEMA, current]] },
  (line) => process.stderr.write(`${line}\n`),
  bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: process.env.DATABASE_URL })),
);
const { stdout } = await engine.diff({
  from: asDatamodel(process.argv.includes('--all') ? undefined : committedSchema()),
  to: asDatamodel(current),
  script: true,
  exitCode: null,
  shadowDatabaseUrl: null,
  filters: { externalTables: [], externalEnums: [] },
});
process.stdout.write(stdout ?? '');
