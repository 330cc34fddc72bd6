import { Injectable } from '@nestjs/common';
import type { Prisma } from '../generated/prisma/client.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { NewEvent } from './event.js';

@Injectable()
export class EventsRepository {
  async insert(event: NewEvent, tx: Tx): Promise<void> {
    await tx.event.create({ data: { ...event, data: event.data as Prisma.InputJsonObject } });
  }
}
