import { NovitaError } from '../../../src/novita/novita.errors.js';
import { FakeSweeps } from '../../fakes/fake-repositories.js';
import { type Mutant, replaceMethod, withMethods } from './mutant.js';

class UnguardedSweeps extends FakeSweeps {
  override async claimListing(): Promise<boolean> {
    return true;
  }

  override async holdsLease(): Promise<boolean> {
    return true;
  }

  protected override isOutdated(): boolean {
    return false;
  }
}

/** A machine that listings do not show is asked for by itself before it is given up, which makes good what they got wrong. */
const withoutLastLook: Mutant['mutateReplica'] = ({ buyer, retirer }) => {
  replaceMethod(buyer, 'lookLast', () => () => Promise.resolve('absent'));
  replaceMethod(retirer, 'lookAt', () => () => Promise.resolve('absent'));
};

/** Faults in what is concluded from listings. */
export const OBSERVING_MUTANTS: readonly Mutant[] = [
  {
    name: 'a partial listing counts as complete, and nobody looks once more',
    mutateReplica: withoutLastLook,
    mutateParts: ({ novita }) => ({
      novita: withMethods(novita, {
        listMachines: async (filter, options) => ({
          ...(await novita.listMachines(filter, options)),
          complete: true,
        }),
      }),
    }),
  },
  {
    name: 'a failed listing counts as an empty one',
    mutateParts: ({ novita }) => ({
      novita: withMethods(novita, {
        listMachines: async (filter, options) =>
          novita.listMachines(filter, options).catch((error: unknown) => {
            if (!(error instanceof NovitaError)) throw error;
            return { machines: [], complete: true };
          }),
      }),
    }),
  },
  {
    name: 'time alone counts as a look',
    mutateParts: ({ sweeps }, { database }) => ({
      sweeps: withMethods(sweeps, { latestCompleteStart: () => Promise.resolve(database.scheduler.now()) }),
    }),
  },
  {
    name: 'everybody observes, and an older listing overwrites a newer one',
    mutateParts: ({ leases }, { database, actor }) => ({
      sweeps: new UnguardedSweeps(database, actor),
      leases: withMethods(leases, { acquire: (name) => Promise.resolve({ name, token: 1n }) }),
    }),
  },
  {
    name: 'one listing without a machine is enough, and nobody looks once more',
    mutateReplica: withoutLastLook,
    mutateParts: ({ sweeps }) => ({
      sweeps: withMethods(sweeps, {
        writeMissing: async (ids, missingAt, tx) => {
          await sweeps.writeMissing(ids, new Date(missingAt.getTime() - 1), tx);
          await sweeps.writeMissing(ids, missingAt, tx);
        },
      }),
    }),
  },
  {
    // What is asked for was not live before the listing: that is why it is asked for.
    name: 'the claims are read before the listing',
    mutateParts: ({ orphans }) => ({
      orphans: withMethods(orphans, { readClaims: () => Promise.resolve(new Map()) }),
    }),
  },
  {
    name: 'everything under the prefix of the service counts as ours',
    mutateParts: ({ identity }) => ({
      identity: withMethods(identity, { namePrefix: () => Promise.resolve('gpusvc-') }),
    }),
  },
];
