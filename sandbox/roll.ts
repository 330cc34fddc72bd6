import type { Machine } from './machine.ts';

const MAX_VIEWS = 64;

interface View {
  key: string;
  matches: (machine: Machine) => boolean;
  /** Oldest first. */
  machines: Machine[];
}

/** The machines that lists show. One sorted array per name filter is kept up to date, so that a page costs its own size. */
export class Roll {
  private readonly all: View = { key: '', matches: () => true, machines: [] };
  private readonly views = new Map<string, View>();

  add(machine: Machine): void {
    insert(this.all, machine);
    for (const view of this.views.values()) if (view.matches(machine)) insert(view, machine);
  }

  remove(machine: Machine): void {
    takeOut(this.all, machine);
    for (const view of this.views.values()) takeOut(view, machine);
  }

  /** Fuzzy as upstream: any part of the name, whatever its case. */
  named(part: string): readonly Machine[] {
    const wanted = part.toLowerCase();
    if (wanted === '') return this.all.machines;
    return (this.views.get(wanted) ?? this.openView(wanted)).machines;
  }

  private openView(wanted: string): View {
    const matches = (machine: Machine): boolean => machine.order.name.toLowerCase().includes(wanted);
    const view = { key: wanted, matches, machines: this.all.machines.filter(matches) };
    const oldest = this.views.keys().next().value;
    if (this.views.size >= MAX_VIEWS && oldest !== undefined) this.views.delete(oldest);
    this.views.set(wanted, view);
    return view;
  }
}

function insert({ machines }: View, machine: Machine): void {
  const last = machines.at(-1);
  if (last === undefined || last.seq < machine.seq) machines.push(machine);
  else machines.splice(position(machines, machine.seq), 0, machine);
}

function takeOut({ machines }: View, machine: Machine): void {
  const index = position(machines, machine.seq);
  if (machines[index] === machine) machines.splice(index, 1);
}

/** The index of the first machine that is not older than `seq`. */
function position(machines: readonly Machine[], seq: number): number {
  let low = 0;
  let high = machines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((machines[middle]?.seq ?? Infinity) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
