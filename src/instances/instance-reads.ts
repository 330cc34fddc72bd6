import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Batcher } from '../platform/batcher.js';
import type { Caller } from '../platform/http/caller.js';
import type { InstanceFilter, InstanceWish, Page } from './domain/instance-filter.js';
import { type InstanceAnswer, InstanceMemory, totalsByStatusOf, totalsOf } from './instance-memory.js';
import { InstanceViewsRepository } from './instance-views.repository.js';
import { instanceTag, toInstanceDetails, toInstanceList } from './instance-answers.dto.js';
import { InstanceNotFound } from './instances.errors.js';

const AT_ONCE = 100;
const MAX_UPSTREAM_IDS = 10_000;

/** What users look at: from memory while it is known to hold, from the rows otherwise. */
@Injectable()
export class InstanceReads {
  /** Whose machine an upstream id is; that never changes. */
  private readonly ownerOfMachine = new LRUCache<string, string>({ max: MAX_UPSTREAM_IDS });

  private readonly loads = new Batcher((ids: readonly string[]) => this.views.find(ids), AT_ONCE);

  constructor(
    private readonly views: InstanceViewsRepository,
    private readonly memory: InstanceMemory,
  ) {}

  /** By our id or an upstream one. @throws InstanceNotFound, also for a deleted instance and for another team's. */
  async get(id: string, caller: Caller): Promise<InstanceAnswer> {
    const answer = this.memory.answers.find(this.ownerOfMachine.get(id) ?? id) ?? (await this.read(id));
    if (answer?.teamId !== caller.teamId) throw new InstanceNotFound();
    return answer;
  }

  /** @returns the answer as it is sent */
  async list(wish: InstanceWish, page: Page, caller: Caller): Promise<string> {
    const filter = { ...wish, teamId: caller.teamId };
    const { pages } = this.memory;
    const key = JSON.stringify([filter, page]);
    const known = pages.find(key);
    if (known !== undefined) return known;
    const readSince = pages.now();
    const [instances, total] = await Promise.all([this.views.page(filter, page), this.total(filter)]);
    const body = JSON.stringify(toInstanceList(instances, total, page));
    pages.keep(key, filter.teamId, body, readSince);
    return body;
  }

  private async read(id: string): Promise<InstanceAnswer | null> {
    const { answers } = this.memory;
    const readSince = answers.now();
    const view = await this.loads.add(id);
    if (view === null || view.instance.deletedAt !== null) return null;
    const { instance, machine } = view;
    const answer = {
      teamId: instance.teamId,
      tag: instanceTag(instance, machine),
      body: JSON.stringify(toInstanceDetails(instance, machine)),
    };
    if (id !== instance.id) this.ownerOfMachine.set(id, instance.id);
    answers.keep(instance.id, instance.id, answer, readSince);
    return answer;
  }

  private async total(filter: InstanceFilter): Promise<number> {
    const { totals } = this.memory;
    const key = JSON.stringify(filter);
    const known = totals.find(key);
    if (known !== undefined) return known;
    const readSince = totals.now();
    const total = await this.views.count(filter);
    const { teamId, status } = filter;
    totals.keep(key, status === undefined ? totalsOf(teamId) : totalsByStatusOf(teamId), total, readSince);
    return total;
  }
}
