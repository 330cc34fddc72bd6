import { Injectable, Logger } from '@nestjs/common';
import { Counter } from 'prom-client';
import { InstanceRecorder } from '../instances/instance-recorder.js';
import { InstancesRepository } from '../instances/instances.repository.js';
import type { LivePlacement } from '../instances/domain/placement.js';
import { type Machine, NovitaClient } from '../novita/novita-client.js';
import { NovitaError } from '../novita/novita.errors.js';
import { addMs, Clock } from '../platform/clock.js';
import { Settings } from '../platform/config.js';
import { inTurns } from '../platform/in-turns.js';
import { MetricsRegistry } from '../platform/telemetry/metrics-registry.js';
import { DeploymentIdentity } from './deployment-identity.repository.js';
import { type Claim, claimOf, findOrphans, type OrphanSighting } from './domain/find-orphans.js';
import { OrphansRepository } from './orphans.repository.js';

/** Somebody else may be writing to the instance at the same time. */
const TELL_TRIES = 3;
const NO_CLAIMS: ReadonlyMap<string, Claim> = new Map();

/** Removes machines under our own names that no row claims. Whatever else is in the account is never touched. */
@Injectable()
export class OrphanSweeper {
  private readonly logger = new Logger(OrphanSweeper.name);
  private readonly found: Counter<'outcome'>;

  constructor(
    private readonly orphans: OrphansRepository,
    private readonly novita: NovitaClient,
    private readonly instances: InstancesRepository,
    private readonly recorder: InstanceRecorder,
    private readonly identity: DeploymentIdentity,
    private readonly clock: Clock,
    private readonly settings: Settings,
    { registry }: MetricsRegistry,
  ) {
    this.found = new Counter({
      name: 'gpusvc_orphans_found_total',
      help: 'Machines under our names that no row claims',
      labelNames: ['outcome'],
      registers: [registry],
    });
    for (const outcome of ['reported', 'removed', 'failed']) this.found.inc({ outcome }, 0);
  }

  /**
   * Takes a complete listing and what was live before it. What that does not claim is asked for after the listing, so that a
   * machine bought meanwhile has its row.
   */
  async sweep(machines: readonly Machine[], live: readonly LivePlacement[], seenAt: Date): Promise<void> {
    const prefix = await this.identity.namePrefix();
    const suspects = await this.findSuspects(machines, live, prefix);
    const claims = suspects.length === 0 ? NO_CLAIMS : await this.orphans.readClaims(suspects.map(({ name }) => name));
    const sightings = findOrphans(suspects, claims, prefix);
    await this.orphans.forgetOthers(
      sightings.map(({ machine }) => machine.id),
      seenAt,
    );
    if (sightings.length === 0) return;
    const due = await this.orphans.note(sightings, seenAt, addMs(seenAt, -this.settings.orphanGraceMs));
    for (const sighting of due.slice(0, this.settings.orphanMaxPerSweep)) await this.remove(sighting);
  }

  private async findSuspects(
    machines: readonly Machine[],
    live: readonly LivePlacement[],
    prefix: string,
  ): Promise<Machine[]> {
    const known = new Map<string, Claim>();
    await inTurns(live, (some) => some.forEach((one) => known.set(one.uniqueName, claimOf(one))));
    const suspects: Machine[] = [];
    await inTurns(machines, (some) => suspects.push(...findOrphans(some, known, prefix).map(({ machine }) => machine)));
    return suspects;
  }

  private async remove(orphan: OrphanSighting): Promise<void> {
    const { id, name } = orphan.machine;
    const facts = { novitaId: id, machineName: name, instanceId: orphan.instanceId };
    if (this.settings.orphanDryRun) {
      this.found.inc({ outcome: 'reported' });
      this.logger.warn(facts, 'orphan machine found; ORPHAN_DRY_RUN leaves it alone');
      return;
    }
    await this.orphans.recordTry(orphan);
    try {
      await this.novita.deleteMachine(id, { lane: 'urgent' });
      this.found.inc({ outcome: 'removed' });
      this.logger.warn(facts, 'orphan machine removed');
      await this.orphans.recordRemoved(orphan, this.clock.now());
      await this.tellInstance(orphan);
    } catch (error) {
      if (!(error instanceof NovitaError)) throw error;
      this.found.inc({ outcome: 'failed' });
      this.logger.error(
        { ...facts, reason: error.message },
        'orphan machine could not be removed; the next sweep tries again',
      );
    }
  }

  /** The instance that the name was once made for keeps it in its log. */
  private async tellInstance({ machine, instanceId }: OrphanSighting): Promise<void> {
    for (let tries = 0; tries < TELL_TRIES; tries += 1) {
      const before = instanceId === null ? null : await this.instances.find(instanceId);
      if (before === null) return;
      const after = { ...before, updatedAt: this.clock.now() };
      const event = {
        type: 'instance.orphan_removed',
        actor: 'observer',
        data: { machineName: machine.name },
      } as const;
      if ((await this.recorder.record({ before, after, event })) !== null) return;
    }
  }
}
