export interface LedgerRecord {
  id: string;
  name: string;
  owner: string;
  clusterId: string;
  productId: string;
  gpuNum: number;
  billingMode: string;
  /** Micro USD per hour for the whole machine, all its GPUs. */
  pricePerHourMicros: number;
  status: string;
  spotStatus: string;
  createdAt: number;
  /** Epoch ms of virtual time; `to` is null while the meter runs. */
  billing: { from: number; to: number | null }[];
  removedAt: number | null;
}

export interface LedgerFilter {
  namePrefix?: string | undefined;
  owner?: string | undefined;
}

/** Every machine that ever was, and when its GPUs were paid for. Nothing is ever taken out of it. */
export class Ledger {
  private readonly records = new Map<string, LedgerRecord>();

  add(record: LedgerRecord): void {
    this.records.set(record.id, record);
  }

  open(id: string, at: number): void {
    const billing = this.records.get(id)?.billing;
    if (billing === undefined || billing.at(-1)?.to === null) return;
    billing.push({ from: at, to: null });
  }

  close(id: string, at: number): void {
    const last = this.records.get(id)?.billing.at(-1);
    if (last?.to === null) last.to = at;
  }

  note(id: string, status: string, spotStatus: string): void {
    const record = this.records.get(id);
    if (record !== undefined) Object.assign(record, { status, spotStatus });
  }

  remove(id: string, at: number): void {
    this.close(id, at);
    const record = this.records.get(id);
    if (record !== undefined) record.removedAt ??= at;
  }

  report(now: number, filter: LedgerFilter): object {
    const machines = [...this.records.values()].filter((record) => matches(record, filter));
    const exists = machines.filter((record) => record.removedAt === null);
    const billing = machines.filter(isBilling);
    return {
      now,
      exists,
      billing,
      machines,
      totals: {
        machines: machines.length,
        exists: exists.length,
        billing: billing.length,
        costMicros: machines.reduce((sum, record) => sum + costMicros(record, now), 0),
        billedSeconds: machines.reduce((sum, record) => sum + billedMs(record, now), 0) / 1000,
        burnPerHourMicros: billing.reduce((sum, record) => sum + record.pricePerHourMicros, 0),
      },
    };
  }
}

function matches(record: LedgerRecord, { namePrefix, owner }: LedgerFilter): boolean {
  return (
    (namePrefix === undefined || record.name.startsWith(namePrefix)) && (owner === undefined || record.owner === owner)
  );
}

function isBilling(record: LedgerRecord): boolean {
  return record.billing.at(-1)?.to === null;
}

function billedMs(record: LedgerRecord, now: number): number {
  return record.billing.reduce((sum, { from, to }) => sum + Math.max(0, (to ?? now) - from), 0);
}

function costMicros(record: LedgerRecord, now: number): number {
  return Math.round((billedMs(record, now) * record.pricePerHourMicros) / 3_600_000);
}
