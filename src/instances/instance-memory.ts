import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CoherentCache } from '../platform/coherent-cache.js';
import { Notifications } from '../platform/database/notifications.js';

/** What is kept was true at most this long ago, less the time that an answer takes to leave. */
const NEVER_OLDER_THAN_MS = 900;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_TOTAL_BYTES = 2 * 1024 * 1024;
/** What an entry costs beside its text. */
const ENTRY_BYTES = 400;
const TOTAL_BYTES = 600;

/** `GET /api/instances/{id}` as it is sent. */
export interface InstanceAnswer {
  readonly teamId: string;
  readonly tag: string;
  readonly body: string;
}

/** What this replica knows of instances without asking the database, and when that no longer holds. */
@Injectable()
export class InstanceMemory implements OnModuleInit {
  readonly answers: CoherentCache<InstanceAnswer>;
  readonly totals: CoherentCache<number>;

  constructor(private readonly notifications: Notifications) {
    const knowsChanges = () => this.notifications.hasHeardAllUntil(NEVER_OLDER_THAN_MS);
    this.answers = new CoherentCache(MAX_ANSWER_BYTES, ({ body }) => ENTRY_BYTES + 2 * body.length, knowsChanges);
    this.totals = new CoherentCache(MAX_TOTAL_BYTES, () => TOTAL_BYTES, knowsChanges);
  }

  onModuleInit(): void {
    this.notifications.on('instances', (ids) => {
      if (ids === '') this.answers.allChanged();
      else for (const id of ids.split('\n')) this.answers.changed(id);
    });
    this.notifications.on('instance_totals', (teams) => {
      if (teams === '') this.totals.allChanged();
      else for (const line of teams.split('\n')) this.recount(line.slice(1), line.startsWith('+'));
    });
  }

  /** Committed by this replica, which need not wait to be told: who reads next reads it. */
  forget({ id, teamId }: { readonly id: string; readonly teamId: string }): void {
    this.answers.changed(id);
    this.recount(teamId, true);
  }

  private recount(teamId: string, isAnother: boolean): void {
    if (isAnother) this.totals.changed(totalsOf(teamId));
    this.totals.changed(totalsByStatusOf(teamId));
  }
}

export function totalsOf(teamId: string): string {
  return `all ${teamId}`;
}

export function totalsByStatusOf(teamId: string): string {
  return `by status ${teamId}`;
}
