import { Injectable } from '@nestjs/common';
import type { Instance } from '../instances/domain/instance.js';
import { PlacementsRepository } from '../instances/placements.repository.js';
import { Settings } from '../platform/config.js';
import { AttemptsRepository } from './attempts.repository.js';
import { currentOf, decideMove, type Facts, moveName, observationOf } from './domain/decide-move.js';
import { ListingTimes } from './listing-times.repository.js';
import { moveLimitsOf } from './migration-limits.js';

/** What would be done about a lost instance, from what the rows and the latest listing say: nothing is called, nothing is changed. */
@Injectable()
export class MigrationForecast {
  constructor(
    private readonly placements: PlacementsRepository,
    private readonly attempts: AttemptsRepository,
    private readonly listings: ListingTimes,
    private readonly settings: Settings,
  ) {}

  async of(instance: Instance, now: Date): Promise<{ readonly decision: string; readonly because: string }> {
    const [placements, attempt, history, sweptAt] = await Promise.all([
      this.placements.listOf(instance.id),
      this.attempts.findOpen(instance.id),
      this.attempts.historyOf(instance.id, instance.lostAt, now),
      this.listings.latestCompleteStart(),
    ]);
    const facts: Facts = { instance, placements, attempt, history, sweptAt, look: null };
    const current = currentOf(facts);
    const seen = (current && observationOf(current, sweptAt)) ?? 'unreadable';
    const limits = { ...moveLimitsOf(this.settings), enabled: true, dryRun: false };
    const move = decideMove({ ...facts, look: { seen, hasJobs: false } }, now, limits);
    return { decision: moveName(move), because: 'because' in move ? move.because : '' };
  }
}
