import type { FakeDatabase } from '../../fakes/fake-database.js';
import type { Actor } from '../../fakes/scheduler.js';
import type { Parts, Replica } from '../replica.js';

export interface Surroundings {
  readonly actor: Actor;
  readonly database: FakeDatabase;
  /** Shared by all replicas of a world. */
  readonly memory: Map<string, unknown>;
}

/**
 * A fault planted into the service that the simulation has to find. Nothing of the product is changed: a part it is given is
 * wrapped, or a method of a built object is replaced.
 */
export interface Mutant {
  readonly name: string;
  readonly mutateParts?: (parts: Parts, around: Surroundings) => Partial<Parts>;
  readonly mutateReplica?: (replica: Replica, around: Surroundings) => void;
}

/** The object as it is, with some of its methods exchanged. */
export function withMethods<T extends object>(inner: T, methods: Partial<T>): T {
  return Object.assign(Object.create(inner) as T, methods);
}

type Method = (...values: never[]) => Promise<unknown>;

/** Puts another method in the place of a built object's, private ones too; it is given the original. */
export function replaceMethod<M extends Method>(target: object, name: string, make: (original: M) => M): void {
  const original: unknown = Reflect.get(target, name);
  if (typeof original !== 'function') throw new Error(`There is no method ${name} any more`);
  Reflect.set(target, name, make(original.bind(target) as M));
}
