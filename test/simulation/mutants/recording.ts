import { FakeEvents, FakeInstances, FakePlacements } from '../../fakes/fake-repositories.js';
import type { Facts } from '../../../src/lifecycle/domain/decide-step.js';
import type { InstanceRecorder } from '../../../src/instances/instance-recorder.js';
import { type Mutant, replaceMethod, withMethods } from './mutant.js';

type Record = InstanceRecorder['record'];

/** Faults in how what was decided is written. */
export const RECORDING_MUTANTS: readonly Mutant[] = [
  {
    name: 'an instance is written whatever its version',
    mutateParts: (_parts, { database, actor }) => {
      const instances = new FakeInstances(database, actor);
      return {
        instances: withMethods(instances, {
          update: async (instance, tx) => {
            const version = database.findInstance(instance.id, tx)?.version ?? instance.version;
            return instances.update({ ...instance, version }, tx);
          },
        }),
      };
    },
  },
  {
    name: 'a placement is written whatever its version',
    mutateParts: (_parts, { database, actor }) => {
      const placements = new FakePlacements(database, actor);
      return {
        placements: withMethods(placements, {
          update: async (placement, tx) => {
            const version = database.findPlacement(placement.id, tx)?.version ?? placement.version;
            return placements.update({ ...placement, version }, tx);
          },
        }),
      };
    },
  },
  {
    name: 'an event is written outside of the transaction',
    mutateParts: (_parts, { database, actor }) => ({
      events: withMethods(new FakeEvents(database), {
        record: (event) =>
          database.write(actor, 'event', null, ({ events }) => {
            events.push(event);
          }),
      }),
    }),
  },
  {
    name: 'work whose wake-up was lost is not looked for',
    mutateParts: () => ({ wakesDueWork: false }),
  },
  {
    name: 'a retirement whose wake-up was lost is not looked for',
    mutateParts: ({ placements }) => ({
      placements: withMethods(placements, { listDueRetirements: () => Promise.resolve([]) }),
    }),
  },
  {
    name: 'what a listing changed is told by a wake-up alone',
    mutateParts: ({ instances }) => ({ instances: withMethods(instances, { makeDue: () => Promise.resolve() }) }),
  },
  {
    name: 'an instance fails and keeps its machine',
    mutateReplica: ({ recorder }) =>
      replaceMethod<Record>(recorder, 'record', (record) => (change) => {
        const { placements, ...rest } = change;
        return record(change.after.phase === 'failed' && placements !== undefined ? rest : change);
      }),
  },
  {
    name: 'instance and placements are read at the same time',
    mutateReplica: ({ reconciler, parts }) =>
      replaceMethod<(id: string) => Promise<Facts | null>>(reconciler, 'read', () => async (id) => {
        const [instance, placements, sweptAt] = await Promise.all([
          parts.instances.find(id),
          parts.placements.listOf(id),
          parts.sweeps.latestCompleteStart(),
        ]);
        return instance && { instance, placements, sweptAt };
      }),
  },
];
