import type { Instance } from '../../../src/instances/domain/instance.js';
import type { Placement } from '../../../src/instances/domain/placement.js';
import type { InstanceRecorder } from '../../../src/instances/instance-recorder.js';
import type { NovitaClient, Template } from '../../../src/novita/novita-client.js';
import { NovitaError } from '../../../src/novita/novita.errors.js';
import { Settings } from '../../../src/platform/config.js';
import { type Mutant, replaceMethod, withMethods } from './mutant.js';

type Create = NovitaClient['createMachine'];
type Record = InstanceRecorder['record'];
type Choose = (instance: Instance, placements: readonly Placement[], now: Date) => Promise<{ placement?: Placement }>;

/** Faults in how machines are bought, started, stopped and deleted. */
export const ACTING_MUTANTS: readonly Mutant[] = [
  {
    name: 'create is sent before the intent is committed',
    mutateReplica: ({ recorder, parts: { novita } }) => {
      const early = new Map<string, ReturnType<Create>>();
      const create: Create = novita.createMachine.bind(novita);
      replaceMethod<Create>(novita, 'createMachine', () => (order, options) => {
        return early.get(order.name) ?? create(order, options);
      });
      replaceMethod<Record>(recorder, 'record', (record) => async (change) => {
        const { bought } = change;
        if (bought !== undefined) {
          const order = { ...bought, name: bought.uniqueName, rootfsSizeGb: 50, template: {} as Template };
          const sent = create(order, { lane: 'order' });
          sent.catch(() => undefined);
          early.set(bought.uniqueName, sent);
        }
        return record(change);
      });
    },
  },
  {
    name: 'a name is used again',
    mutateParts: (_parts, { database }) => {
      database.checksUniqueNames = false;
      return {};
    },
    mutateReplica: ({ buyer }) =>
      replaceMethod<Choose>(buyer, 'choose', (choose) => async (instance, placements, now) => {
        const purchase = await choose(instance, placements, now);
        const former = placements.at(-1);
        if (purchase.placement === undefined || former === undefined) return purchase;
        return { ...purchase, placement: { ...purchase.placement, uniqueName: former.uniqueName } };
      }),
  },
  {
    name: 'a create without an answer counts as refused',
    mutateParts: ({ novita }) => ({
      novita: withMethods(novita, {
        createMachine: async (order, options) =>
          novita.createMachine(order, options).catch((error: unknown) => {
            if (!(error instanceof NovitaError) || error.outcome !== 'unknown') throw error;
            throw new NovitaError(error.errorClass, 'refused', error.call);
          }),
      }),
    }),
  },
  {
    name: 'a create without an answer is sent again',
    mutateParts: ({ novita }) => ({
      novita: withMethods(novita, {
        createMachine: async (order, options) =>
          novita.createMachine(order, options).catch((error: unknown) => {
            if (!(error instanceof NovitaError) || error.outcome !== 'unknown') throw error;
            return novita.createMachine(order, options);
          }),
      }),
    }),
  },
  {
    name: 'the id that create answered is forgotten',
    mutateParts: ({ placements }) => ({
      placements: withMethods(placements, { keepNovitaId: () => Promise.resolve() }),
    }),
  },
  {
    name: 'of two machines of one name the newer one is kept',
    mutateParts: ({ novita }) => ({
      novita: withMethods(novita, {
        listMachines: async (filter, options) => {
          const { machines, complete } = await novita.listMachines(filter, options);
          // Ages turned round.
          const turned = machines.map((one) => ({ ...one, createdAt: new Date(-(one.createdAt?.getTime() ?? 0)) }));
          return { machines: turned.toReversed(), complete };
        },
      }),
    }),
  },
  {
    name: 'the time for which a machine may be hidden is ignored',
    mutateParts: ({ settings }) => ({ settings: new Settings({ ...settings, visibilityWindowMs: 0 }) }),
  },
  {
    name: 'a name is given up though it was not asked for alone',
    mutateReplica: ({ buyer }) => replaceMethod(buyer, 'lookLast', () => () => Promise.resolve('absent')),
  },
  {
    name: 'start, stop and restart are sent without an intent',
    mutateReplica: ({ recorder }) =>
      replaceMethod<Record>(recorder, 'record', (record) => async (change) => {
        const { before, after } = change;
        const isIntent = after.actionSentAt !== null && after.actionSentAt !== before.actionSentAt;
        return isIntent ? after : record(change);
      }),
  },
  {
    name: 'a machine that its user stopped is started again',
    mutateParts: ({ instances }) => ({
      instances: withMethods(instances, {
        find: async (id) => {
          const instance = await instances.find(id);
          return instance?.phase === 'stopped' ? { ...instance, phase: 'starting', action: 'start' } : instance;
        },
      }),
    }),
  },
  {
    name: 'delete is sent before its intent is committed',
    mutateReplica: ({ retirer }) =>
      replaceMethod<() => Promise<boolean>>(retirer, 'save', () => () => Promise.resolve(true)),
  },
  {
    name: 'a delete that was answered counts as done',
    mutateReplica: ({ retirer, parts: { placements } }) =>
      replaceMethod<(placement: Placement, novitaId: string, now: Date) => Promise<void>>(
        retirer,
        'delete',
        (remove) => async (placement, novitaId, now) => {
          await remove(placement, novitaId, now);
          const sent = await placements.find(placement.id);
          const finish = Reflect.get(retirer, 'finish') as (one: Placement, now: Date) => Promise<void>;
          if (sent !== null) await finish.call(retirer, sent, now);
        },
      ),
  },
];
