import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { InstanceFilter, Page } from './domain/instance-filter.js';
import type { InstanceGlance, InstanceView, MachineView } from './domain/instance-view.js';
import { ConnectionVault, type StoredConnection } from './connection-vault.js';
import { conditionsOf } from './instance-conditions.js';

export interface ViewOfInstance {
  readonly instance: InstanceView;
  readonly machine: MachineView | null;
}

type ViewRow = Omit<InstanceView, 'connection'> & {
  readonly connection: StoredConnection | null;
  /** The id that it was found by. */
  readonly asked: string;
  readonly machineId: string | null;
  readonly machineVersion: number;
  readonly machineRegion: string;
  readonly machineProductId: string;
  readonly machineBillingMode: MachineView['billingMode'];
  /** A bigint, which pg leaves as a text. */
  readonly machinePricePerHourMicros: string;
  readonly machineNovitaId: string | null;
  readonly machineSeenRawStatus: string | null;
  readonly machineLastSeenAt: Date | null;
};

const GLANCE = `i.id, i.name, i.phase, i.gpu_num AS "gpuNum", i.region, i.product_name AS "productName",
  i.billing_mode AS "billingMode", i.labels, i.created_at AS "createdAt", i.ready_at AS "readyAt", i.deleted_at AS "deletedAt"`;

const VIEW_COLUMNS = `${GLANCE}, i.team_id AS "teamId", i.template_id AS "templateId", i.rootfs_size_gb AS "rootfsSizeGb",
  i.spot_policy AS "spotPolicy", i.fallback_to_on_demand AS "fallbackToOnDemand", i.webhook_url AS "webhookUrl", i.readiness,
  i.connection, i.reason_code AS "reasonCode", i.reason_message AS "reasonMessage", i.next_check_at AS "nextCheckAt", i.version,
  p.id AS "machineId", p.version AS "machineVersion", p.region AS "machineRegion", p.product_id AS "machineProductId",
  p.billing_mode AS "machineBillingMode", p.price_per_hour_micros AS "machinePricePerHourMicros",
  p.novita_id AS "machineNovitaId", p.seen_raw_status AS "machineSeenRawStatus", p.last_seen_at AS "machineLastSeenAt"`;
const MACHINE = 'LEFT JOIN placements AS p ON p.id = i.current_placement_id';

const BY_ID = {
  name: 'instances-by-id',
  text: `SELECT i.id AS asked, ${VIEW_COLUMNS} FROM instances AS i ${MACHINE} WHERE i.id = ANY($1::text[])`,
};
const BY_MACHINE = {
  name: 'instances-by-machine',
  text: `SELECT a.novita_id AS asked, ${VIEW_COLUMNS}
    FROM placements AS a JOIN instances AS i ON i.id = a.instance_id ${MACHINE} WHERE a.novita_id = ANY($1::text[])`,
};
const NEWEST_FIRST = 'created_at DESC, id DESC';

/** What users read most, by statements that every connection has prepared. */
@Injectable()
export class InstanceViewsRepository {
  constructor(
    private readonly prisma: PrismaService,
    private readonly vault: ConnectionVault,
  ) {}

  /** Each by our id, or by the upstream id of any machine that was ever bought for it; whoever's it is. */
  async find(ids: readonly string[]): Promise<(ViewOfInstance | null)[]> {
    const found = new Map((await this.query<ViewRow>(BY_ID, [ids])).map((row) => [row.asked, row]));
    const others = ids.filter((id) => !found.has(id));
    if (others.length > 0) for (const row of await this.query<ViewRow>(BY_MACHINE, [others])) found.set(row.asked, row);
    return Promise.all(ids.map((id) => this.toView(found.get(id))));
  }

  async page(filter: InstanceFilter, { limit, offset }: Page): Promise<InstanceGlance[]> {
    const { name, text, values } = conditionsOf(filter);
    const [take, skip] = [values.length + 1, values.length + 2];
    // Only the ids of the page are looked up in the table; what is skipped is counted in the index.
    const ids = `SELECT id FROM instances WHERE ${text} ORDER BY ${NEWEST_FIRST} LIMIT $${take} OFFSET $${skip}`;
    const statement = {
      name: `page-${name}`,
      text: `SELECT ${GLANCE} FROM instances AS i WHERE i.id = ANY(ARRAY(${ids})) ORDER BY ${NEWEST_FIRST}`,
    };
    return this.query<InstanceGlance>(statement, [...values, limit, offset]);
  }

  async count(filter: InstanceFilter): Promise<number> {
    const { name, text, values } = conditionsOf(filter);
    const statement = { name: `count-${name}`, text: `SELECT count(*)::int AS total FROM instances WHERE ${text}` };
    return (await this.query<{ total: number }>(statement, values))[0]?.total ?? 0;
  }

  private async toView(row: ViewRow | undefined): Promise<ViewOfInstance | null> {
    if (row === undefined) return null;
    const connection = row.connection && (await this.vault.open(row.connection, row.id));
    return { instance: { ...row, connection }, machine: toMachine(row) };
  }

  private async query<T>(statement: { name: string; text: string }, values: readonly unknown[]): Promise<T[]> {
    const { rows } = await this.prisma.pool.query({ ...statement, values: [...values] });
    return rows as T[];
  }
}

function toMachine(row: ViewRow): MachineView | null {
  if (row.machineId === null) return null;
  return {
    id: row.machineId,
    version: row.machineVersion,
    region: row.machineRegion,
    productId: row.machineProductId,
    billingMode: row.machineBillingMode,
    pricePerHourMicros: BigInt(row.machinePricePerHourMicros),
    novitaId: row.machineNovitaId,
    seenRawStatus: row.machineSeenRawStatus,
    lastSeenAt: row.machineLastSeenAt,
  };
}
