/** A place among deliveries in the order of their age. */
export interface DeliveryPlace {
  readonly createdAt: Date;
  readonly id: string;
}

const PLACE = /^(\d{13})\.(dlv_[0-9a-f]{32})$/;

/** Opaque to clients. */
export function encodePlace({ createdAt, id }: DeliveryPlace): string {
  return `${createdAt.getTime()}.${id}`;
}

/** Null for anything that `encodePlace` has not made. */
export function parsePlace(text: string): DeliveryPlace | null {
  const [, ms, id] = PLACE.exec(text) ?? [];
  return ms === undefined || id === undefined ? null : { createdAt: new Date(Number(ms)), id };
}
