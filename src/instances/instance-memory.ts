import { Injectable, type OnModuleInit } from '@nestjs/common';
import { CoherentCache } from '../platform/coherent-cache.js';
import { Notifications } from '../platform/database/notifications.js';

/** What is kept was true at most this long ago, less the time that an answer takes to leave. */
const NEVER_OLDER_THAN_MS = 900;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MAX_TOTAL_BYTES = 1024 * 1024;
/** What an entry costs beside its text. */
const ENTRY_BYTES = 600;

/** `GET /api/instances/{id}` as it is sent. */
export interface InstanceAnswer {
  readonly teamId: string;
  readonly tag: string;
  readonly body: string;
}

/** What this replica knows of instances without asking the database, and when that no longer holds. */
@Injectable()
export class InstanceMemory implements OnModuleInit {
  /** By the instance's id. */
  readonly answers: CoherentCache<InstanceAnswer>;
  /** Pages of lists, as they are sent. */
  readonly pages: CoherentCache<string>;
  readonly totals: CoherentCache<number>;

  constructor(private readonly notifications: Notifications) {
    const knowsChanges = () => this.notifications.hasHeardAllUntil(NEVER_OLDER_THAN_MS);
    this.answers = new CoherentCache(MAX_ANSWER_BYTES, ({ body }) => bytesOf(body), knowsChanges);
    this.pages = new CoherentCache(MAX_PAGE_BYTES, bytesOf, knowsChanges);
    this.totals = new CoherentCache(MAX_TOTAL_BYTES, () => ENTRY_BYTES, knowsChanges);
  }

  onModuleInit(): void {
    this.notifications.on('instances', (ids) => {
      if (ids === '') this.answers.allChanged();
      else for (const id of ids.split('\n')) this.answers.changed(id);
    });
    this.notifications.on('instance_lists', (lines) => {
      if (lines === '') this.forgetLists();
      else for (const line of lines.split('\n')) this.forgetListsOf(line.slice(1), line.startsWith('+'));
    });
  }

  /** Committed by this replica, which need not wait to be told: who reads next reads it. */
  forget({ id, teamId }: { readonly id: string; readonly teamId: string }): void {
    this.answers.changed(id);
    this.forgetListsOf(teamId, true);
  }

  private forgetListsOf(teamId: string, countsToo: boolean): void {
    this.pages.changed(teamId);
    this.totals.changed(totalsByStatusOf(teamId));
    if (countsToo) this.totals.changed(totalsOf(teamId));
  }

  private forgetLists(): void {
    this.pages.allChanged();
    this.totals.allChanged();
  }
}

/** The subject of totals that no phase changes. */
export function totalsOf(teamId: string): string {
  return `all ${teamId}`;
}

export function totalsByStatusOf(teamId: string): string {
  return `by status ${teamId}`;
}

function bytesOf(text: string): number {
  return ENTRY_BYTES + 2 * text.length;
}
