import type { Figure } from './figure.ts';
import type { Lab } from './lab.ts';

/** One thing that is measured. It starts what it needs in the lab and gives back what it found. */
export interface Bench {
  readonly name: string;
  readonly title: string;
  run(lab: Lab): Promise<Figure[]>;
}
