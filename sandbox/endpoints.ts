import type { Machine } from './machine.ts';

export interface EndpointRule {
  /** Regular expression on the machine's name. */
  namePattern?: string;
  imageUrl?: string;
  /** Port → what the machine's mapping shows, `http://127.0.0.1:1234` or `127.0.0.1:22`. */
  endpoints: Record<string, string>;
}

/** Lets tests put real loopback servers behind the mapped ports of machines, those to come included. */
export class Endpoints {
  private readonly rules: EndpointRule[] = [];

  add(rule: EndpointRule, machines: Iterable<Machine>): void {
    this.rules.push(rule);
    for (const machine of machines) this.apply(rule, machine);
  }

  applyTo(machine: Machine): void {
    for (const rule of this.rules) this.apply(rule, machine);
  }

  private apply({ namePattern, imageUrl, endpoints }: EndpointRule, machine: Machine): void {
    if (namePattern !== undefined && !new RegExp(namePattern).test(machine.order.name)) return;
    if (imageUrl !== undefined && imageUrl !== machine.order.imageUrl) return;
    Object.assign(machine.endpoints, endpoints);
  }
}
