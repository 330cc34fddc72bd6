const STATUS: Record<string, string> = {
  queued: 'creating',
  buying: 'creating',
  running: 'running',
  stopping: 'running',
  stopped: 'stopped',
  failed: 'failed',
  exited: 'exited',
  deleting: 'exited',
  deleted: 'exited',
};

export interface SummaryRow {
  readonly id: string;
  readonly name: string;
  readonly phase: string;
  readonly gpuNum: number;
  readonly region: string;
  readonly productName: string;
  readonly billingMode: string;
  readonly labels: Record<string, string>;
  readonly createdAt: Date;
  readonly readyAt: Date | null;
  readonly deletedAt: Date | null;
}

export interface DetailsRow extends SummaryRow {
  readonly connection: Record<string, unknown> | null;
  readonly templateId: string;
  readonly rootfsSize: number;
  readonly spotPolicy: string;
  readonly fallbackToOnDemand: boolean;
  readonly webhookUrl: string | null;
  readonly readiness: object | null;
  readonly reasonCode: string | null;
  readonly reasonMessage: string | null;
  readonly nextCheckAt: Date | null;
  readonly version: number;
  readonly machineRegion: string | null;
  readonly productId: string | null;
  readonly machineBillingMode: string | null;
  readonly pricePerHourMicros: string | null;
  readonly novitaId: string | null;
  readonly placementId: string | null;
  readonly machineVersion: number | null;
}

export function statusOf(phase: string): string {
  return STATUS[phase] ?? 'starting';
}

/** The phases that a status stands for. */
export function phasesOf(status: string): string[] {
  return Object.keys(STATUS).filter((phase) => STATUS[phase] === status);
}

export function toSummary(row: SummaryRow): object {
  return {
    ...row,
    status: statusOf(row.phase),
    createdAt: row.createdAt.toISOString(),
    readyAt: row.readyAt?.toISOString(),
    deletedAt: row.deletedAt?.toISOString(),
  };
}

export function toDetails(row: DetailsRow): object {
  const { connection, reasonCode, machineRegion } = row;
  return {
    ...toSummary(row),
    region: machineRegion ?? row.region,
    portMappings: connection?.['portMappings'] ?? [],
    connectionDetails: withoutNulls(connection),
    webhookUrl: row.webhookUrl ?? undefined,
    readiness: row.readiness ?? undefined,
    statusReason: reasonCode === null ? undefined : { code: reasonCode, message: row.reasonMessage ?? '' },
    nextCheckAt: row.nextCheckAt?.toISOString(),
    machine: row.placementId === null ? undefined : toMachine(row),
  };
}

function toMachine(row: DetailsRow): object {
  return {
    region: row.machineRegion,
    productId: row.productId,
    billingMode: row.machineBillingMode,
    pricePerHourUsd: String(Number(row.pricePerHourMicros) / 1_000_000),
    novitaId: row.novitaId ?? undefined,
  };
}

function withoutNulls(connection: Record<string, unknown> | null): object {
  return Object.fromEntries(Object.entries(connection ?? {}).filter(([, value]) => value !== null));
}
