import 'reflect-metadata';
import { parseArgs } from 'node:util';
import { SystemClock } from '../platform/clock.js';
import { InvalidSettings, loadSettings } from '../platform/config.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import { accompany, UnitOfWork } from '../platform/database/unit-of-work.js';
import { AuditCompanion } from '../platform/http/audit/audit-trail.js';
import { stateHash } from '../platform/http/audit/state-hash.js';
import { AuditRepository } from '../platform/http/audit/audit.repository.js';
import { newRequestId } from '../platform/http/request-id.js';
import { isScope, type Scope, SCOPES } from '../platform/http/auth/scopes.js';
import { AppError } from '../platform/app-error.js';
import { SystemRandom } from '../platform/random.js';
import { TEAM_ID } from './keys.dto.js';
import { KeysRepository } from './keys.repository.js';
import { KeysService } from './keys.service.js';

const USAGE = `Usage:
  keys create --team TEAM --scopes SCOPE,SCOPE [--name TEXT] [--expires TIME] [--max-instances N]
  keys list [--team TEAM]
  keys rotate KEY_ID [--overlap SECONDS]
  keys revoke KEY_ID
Scopes: ${SCOPES.join(', ')}
create and rotate print the key alone on their last line; it is shown this once.`;

const DAY_SECONDS = 86_400;
const ACTOR = 'command-line';

class WrongUsage extends Error {}

async function run(keys: KeysService): Promise<string> {
  const { command, id, options } = readArguments();
  switch (command) {
    case 'create': {
      const { key, text } = await keys.create(toOrder(options), ACTOR);
      return `Made ${key.id} for team ${key.teamId} with ${key.scopes.join(', ')}.\n${text}`;
    }
    case 'rotate': {
      const { key, text } = await keys.rotate(id, seconds(options.overlap) * 1000, ACTOR);
      return `Made ${key.id}, which takes over from ${id}.\n${text}`;
    }
    case 'revoke':
      return `Revoked ${(await keys.revoke(id)).id}.`;
    case 'list': {
      const { keys: found } = await keys.list(options.team, { limit: 1000, offset: 0 });
      return found
        .map(({ id: keyId, teamId, scopes, revokedAt, expiresAt, name }) => {
          const end = revokedAt ? 'revoked' : (expiresAt?.toISOString() ?? 'does not expire');
          return [keyId, teamId, scopes.join(','), end, name].join('\t');
        })
        .join('\n');
    }
    default:
      throw new WrongUsage(USAGE);
  }
}

function readArguments() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      team: { type: 'string' },
      scopes: { type: 'string' },
      name: { type: 'string' },
      expires: { type: 'string' },
      overlap: { type: 'string' },
      'max-instances': { type: 'string' },
    },
  });
  return { command: positionals[0], id: positionals[1] ?? '', options: values };
}

function toOrder(options: ReturnType<typeof readArguments>['options']) {
  const { team = '', scopes = '', name = '', expires, 'max-instances': most } = options;
  if (!TEAM_ID.test(team)) throw new WrongUsage('--team must be 1 to 63 characters of a-z, 0-9 and inner hyphens');
  const expiresAt = expires === undefined ? null : new Date(expires);
  if (expiresAt !== null && !(expiresAt.getTime() > Date.now()))
    throw new WrongUsage('--expires must be a time to come');
  if (most !== undefined && !/^[1-9]\d{0,5}$/.test(most))
    throw new WrongUsage('--max-instances must be a number from 1');
  return {
    teamId: team,
    name,
    scopes: toScopes(scopes),
    expiresAt,
    maxInstances: most === undefined ? null : Number(most),
  };
}

function toScopes(text: string): Scope[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const scopes = names.filter(isScope);
  if (scopes.length === 0 || scopes.length < names.length)
    throw new WrongUsage(`--scopes must name some of ${SCOPES.join(', ')}`);
  return [...new Set(scopes)];
}

function seconds(text = String(DAY_SECONDS)): number {
  if (!/^\d{1,7}$/.test(text)) throw new WrongUsage('--overlap must be a number of seconds');
  return Number(text);
}

async function main(): Promise<void> {
  // The upstream is not spoken to here, so its key is not asked for.
  const settings = loadSettings({ ...process.env, NOVITA_SANDBOX: 'true', DATABASE_POOL_SIZE: '2' });
  const prisma = new PrismaService(settings);
  try {
    const unitOfWork = new UnitOfWork(prisma);
    const keys = new KeysService(
      new KeysRepository(prisma),
      unitOfWork,
      new SystemClock(),
      new SystemRandom(),
      settings,
    );
    const said = await accompany(companionOf(new AuditRepository(prisma)), () => run(keys));
    process.stdout.write(`${said}\n`);
  } finally {
    await prisma.$disconnect();
  }
}

/** What is done from here stands in the audit trail as well. */
function companionOf(audit: AuditRepository): AuditCompanion {
  const [action = '', target = null] = process.argv.slice(2);
  return new AuditCompanion(audit, ({ target: made, before, after }) => ({
    at: new Date(),
    teamId: null,
    actor: ACTOR,
    action: `keys ${action}`,
    method: 'CLI',
    route: '',
    target: made ?? target,
    outcome: 'accepted',
    status: null,
    errorCode: null,
    requestId: newRequestId(),
    ip: '',
    beforeHash: before && stateHash(before),
    afterHash: after && stateHash(after),
  }));
}

main().catch((error: unknown) => {
  const isOurs = error instanceof AppError || error instanceof WrongUsage || error instanceof InvalidSettings;
  const isUnknownOption =
    error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  if (!isOurs && !isUnknownOption) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
