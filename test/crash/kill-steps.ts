import type { GateSpec, Moment } from './database-gates.js';
import { OWN_PREFIX } from './judge.js';
import type { ProofWorld } from './proof-world.js';

/** What sets the step going: an order, a wish for an instance that is there, or what the provider does to its machine. */
export type Cause = 'order' | Wish | 'delete-while-buying' | 'reclaim' | 'notice' | 'orphan' | 'nothing';

/** An exact moment at which the process dies; it stands still there, held up by Postgres or by the upstream. */
export interface KillStep {
  readonly name: string;
  readonly cause: Cause;
  readonly gate?: GateSpec;
  readonly fault?: {
    readonly endpoint: string;
    readonly kind: string;
    readonly delayMs?: number;
    readonly match?: string;
  };
  /** Armed beside the fault that is waited for. */
  readonly before?: { readonly endpoint: string; readonly kind: string; readonly reason?: string };
}

/** Long enough to outlive the process, short enough to strike within the time that a create call may take. */
const LATE_MS = 1500;

const NEVER = { kind: 'timeout-before' } as const;
const LATE = { kind: 'delay', delayMs: LATE_MS } as const;
const ANSWER_LOST = { kind: 'timeout-after' } as const;
const START_REFUSED = { endpoint: 'start', kind: 'refuse', reason: 'INSUFFICIENT_RESOURCE' } as const;

export const KILL_STEPS: readonly KillStep[] = [
  ...atGate('order', 'order', 'instances', 'INSERT', ''),
  ...atGate('intent to buy', 'order', 'placements', 'INSERT', ''),
  ...atCall('create', 'order', 'create'),
  ...atGate('id of create', 'order', 'placements', 'UPDATE', became('novita_id', 'seen_status')),
  {
    name: 'look-up after an unclear create',
    cause: 'order',
    before: { endpoint: 'create', kind: '500-after' },
    fault: { endpoint: 'list', match: OWN_PREFIX, ...NEVER },
  },
  ...atGate('purchase confirmed', 'order', 'instances', 'UPDATE', entered('provisioning')),
  { name: 'listing', cause: 'nothing', fault: { endpoint: 'list', ...NEVER } },
  ...atGate('listing recorded', 'nothing', 'sweeps', 'UPDATE', ''),
  { name: 'details of a machine that came up', cause: 'order', fault: { endpoint: 'get', ...NEVER } },
  ...atGate('ready', 'order', 'instances', 'UPDATE', entered('running')),
  ...atGate('wish to stop', 'stop', 'instances', 'UPDATE', entered('stopping')),
  ...atGate('intent to stop', 'stop', 'instances', 'UPDATE', sending('stop')),
  ...atCall('stop', 'stop', 'stop'),
  ...atGate('stopped', 'stop', 'instances', 'UPDATE', entered('stopped')),
  ...atGate('wish to start', 'start', 'instances', 'UPDATE', entered('starting')),
  ...atGate('intent to start', 'start', 'instances', 'UPDATE', sending('start')),
  ...atCall('start', 'start', 'start'),
  ...atCall('migrate in the place of a start', 'start', 'migrate').map((step) => ({ ...step, before: START_REFUSED })),
  ...atGate('intent to restart', 'restart', 'instances', 'UPDATE', sending('restart')),
  ...atCall('restart', 'restart', 'restart'),
  ...atGate('wish to delete', 'delete', 'instances', 'UPDATE', entered('deleting')),
  ...atGate(
    'intent to delete',
    'delete',
    'placements',
    'UPDATE',
    'OLD.delete_sent_at IS DISTINCT FROM NEW.delete_sent_at',
  ),
  ...atCall('delete', 'delete', 'delete'),
  ...atGate('first listing without the machine', 'delete', 'placements', 'UPDATE', became('missing_since')),
  ...atGate('machine gone', 'delete', 'placements', 'UPDATE', "OLD.state = 'retiring' AND NEW.state = 'gone'"),
  ...atGate('deleted', 'delete', 'instances', 'UPDATE', entered('deleted')),
  {
    name: 'wish to delete while create is under way',
    cause: 'delete-while-buying',
    fault: { endpoint: 'create', ...LATE },
  },
  ...atGate('loss of a spot machine', 'reclaim', 'instances', 'UPDATE', entered('exited')),
  ...atGate('intent to bring it back', 'reclaim', 'instances', 'UPDATE', entered('migrating')),
  ...atCall('start of a reclaimed machine', 'reclaim', 'start'),
  ...atCall('migrate', 'reclaim', 'migrate').map((step) => ({ ...step, before: START_REFUSED })),
  ...atGate('running again', 'reclaim', 'instances', 'UPDATE', 'OLD.lost_at IS NOT NULL AND NEW.lost_at IS NULL'),
  ...atGate('intent to buy a successor', 'notice', 'instances', 'UPDATE', became('successor_placement_id')),
  ...atCall('create of a successor', 'notice', 'create'),
  ...atGate(
    'hand-over',
    'notice',
    'instances',
    'UPDATE',
    'OLD.successor_placement_id = NEW.current_placement_id AND NEW.successor_placement_id IS NULL',
  ),
  { name: 'orphan: delete in flight, never executed', cause: 'orphan', fault: { endpoint: 'delete', ...NEVER } },
  { name: 'orphan: delete executed, answer lost', cause: 'orphan', fault: { endpoint: 'delete', ...ANSWER_LOST } },
];

export const GATES: readonly GateSpec[] = KILL_STEPS.flatMap(({ gate }) => gate ?? []);

function atGate(
  name: string,
  cause: Cause,
  table: GateSpec['table'],
  on: GateSpec['on'],
  when: string,
): readonly KillStep[] {
  const step = (moment: Moment, words: string): KillStep => ({
    name: `${name}: ${words}`,
    cause,
    gate: { table, on, when, moment },
  });
  return [step('row', 'written, not committed'), step('commit', 'COMMIT on its way')];
}

function atCall(name: string, cause: Cause, endpoint: string): readonly KillStep[] {
  return [
    { name: `${name}: in flight, never executed`, cause, fault: { endpoint, ...NEVER } },
    { name: `${name}: in flight, executed after the death`, cause, fault: { endpoint, ...LATE } },
    { name: `${name}: executed, answer lost`, cause, fault: { endpoint, ...ANSWER_LOST } },
  ];
}

function entered(phase: string): string {
  return `OLD.phase <> '${phase}' AND NEW.phase = '${phase}'`;
}

function sending(action: string): string {
  return `NEW.action = '${action}' AND OLD.action_sent_at IS DISTINCT FROM NEW.action_sent_at AND NEW.action_sent_at IS NOT NULL`;
}

function became(column: string, unchanged?: string): string {
  const rest = unchanged === undefined ? '' : ` AND OLD.${unchanged} IS NOT DISTINCT FROM NEW.${unchanged}`;
  return `OLD.${column} IS NULL AND NEW.${column} IS NOT NULL${rest}`;
}

/** Sets a step going without waiting for any answer: the process may die before it gives one. */
export async function setGoing(proof: ProofWorld, cause: Cause): Promise<void> {
  switch (cause) {
    case 'nothing':
      return;
    case 'order':
      void proof.order();
      return;
    case 'orphan':
      await proof.world.sandbox.control('/machines', {
        name: `${OWN_PREFIX}${Date.now().toString(36)}-lost`,
        owner: 'us',
      });
      return;
    case 'delete-while-buying': {
      const id = await proof.order();
      if (id === null) return;
      await proof.untilPhase(id, 'buying');
      await proof.wish('delete', id);
      return;
    }
    case 'reclaim':
      await proof.world.sandbox.control(`/machines/${await findSpot(proof, 'migrate')}/reclaim`, {});
      return;
    case 'notice':
      await proof.world.sandbox.control(`/machines/${await findSpot(proof, 'replace')}/notice`, { inSeconds: 1200 });
      return;
    default:
      void proof.wish(cause, await findFor(proof, cause));
  }
}

/** What the step needs is there before anything is held up. */
export async function prepare(proof: ProofWorld, cause: Cause): Promise<void> {
  if (cause === 'reclaim') await findSpot(proof, 'migrate');
  if (cause === 'notice') await findSpot(proof, 'replace');
  if (isWish(cause)) await findFor(proof, cause);
}

type Wish = 'stop' | 'start' | 'restart' | 'delete';

function isWish(cause: Cause): cause is Wish {
  return cause === 'stop' || cause === 'start' || cause === 'restart' || cause === 'delete';
}

/** An instance that the wish is legal for; brought there when none is. */
async function findFor(proof: ProofWorld, cause: Wish): Promise<string> {
  const phase = cause === 'start' ? 'stopped' : 'running';
  const [found] = await proof.idsIn(phase);
  if (found !== undefined) return found;
  if (cause === 'start') {
    const id = await findFor(proof, 'stop');
    await proof.wish('stop', id);
    await proof.untilPhase(id, 'stopped');
    return id;
  }
  const id = await proof.order();
  if (id === null) throw new Error('An order was refused');
  await proof.untilPhase(id, 'running');
  return id;
}

/** The machine of a running spot instance that was never lost or announced: a second loss within the hour has to wait. */
async function findSpot(proof: ProofWorld, spotPolicy: 'migrate' | 'replace'): Promise<string> {
  const { rows } = await proof.pool.query<{ novita_id: string }>(
    `SELECT p.novita_id FROM instances i JOIN placements p ON p.id = i.current_placement_id
      WHERE i.phase = 'running' AND i.spot_policy = $1 AND i.billing_mode = 'spot' AND i.notice_placement_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM migration_attempts a WHERE a.instance_id = i.id)`,
    [spotPolicy],
  );
  if (rows[0] !== undefined) return rows[0].novita_id;
  const id = await proof.order({ spotPolicy });
  if (id === null) throw new Error('An order was refused');
  await proof.untilPhase(id, 'running');
  return findSpot(proof, spotPolicy);
}
