/** Handles of what can be opened in the Variables view; valid until the guest runs again. */

import type { Frame, JsonObject, JsonValue, Value } from '../../core/timeline/types.ts';
import { RequestError } from './arguments.ts';
import type { DecodedNode } from './decoded.ts';
import type { RowsNode } from './xen.ts';

export type VariableNode =
  | DecodedNode
  | RowsNode
  | { readonly kind: 'locals' | 'globals' | 'registers'; readonly frame: Frame }
  | { readonly kind: 'value'; readonly value: Value; readonly frame: Frame }
  /** Decoded arguments and evidence: plain data with no place in the guest. */
  | { readonly kind: 'json'; readonly json: JsonObject | readonly JsonValue[] };

export class VariableTable {
  private readonly nodes: Map<number, VariableNode>;
  private nextId: number;

  constructor() {
    this.nodes = new Map();
    this.nextId = 1;
  }

  forget(): void {
    this.nodes.clear();
  }

  /** A number by which the client can open `node`. */
  add(node: VariableNode): number {
    const id = this.nextId++;
    this.nodes.set(id, node);
    return id;
  }

  node(id: number): VariableNode {
    const node = this.nodes.get(id);
    if (node === undefined) {
      throw new RequestError(`There is no variable ${id}; the guest has run since it was told.`);
    }
    return node;
  }
}
