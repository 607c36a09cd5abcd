/** Who imports whom: for each node the nodes that it imports. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * The graph of `files`, in which `nodeOf` gives the node of a file. Imports of files that are not in the
 * list, and imports within one node, are left out.
 */
export function graphOf(
  files: readonly { readonly path: string; readonly imports: readonly string[] }[],
  nodeOf: (path: string) => string = (path) => path,
): Graph {
  const known = new Set(files.map(({ path }) => path));
  const graph = new Map<string, Set<string>>();
  for (const { path, imports } of files) {
    const node = nodeOf(path);
    const targets = graph.get(node) ?? new Set<string>();
    graph.set(node, targets);
    for (const file of imports) {
      const target = nodeOf(file);
      if (known.has(file) && target !== node) targets.add(target);
    }
  }
  return graph;
}

export function countArrows(graph: Graph): number {
  return [...graph.values()].reduce((sum, targets) => sum + targets.size, 0);
}

/**
 * The circles of a graph: its strongly connected components of more than one node.
 * Tarjan, "Depth-first search and linear graph algorithms", 1972.
 */
export function findCircles(graph: Graph): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.size - 1);
    stack.push(node);
    for (const target of graph.get(node) ?? []) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(node, Math.min(low.get(node) ?? 0, low.get(target) ?? 0));
    }
    if (low.get(node) !== index.get(node)) return;
    const component = stack.splice(stack.indexOf(node));
    if (component.length > 1) circles.push(component.toSorted());
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return circles;
}

/** The number of floors of a graph. A node stands above the nodes that it imports; a circle has one floor. */
export function countFloors(graph: Graph): number {
  const circleOf = new Map(
    findCircles(graph).flatMap((circle) => circle.map((node) => [node, circle] as const)),
  );
  const floors = new Map<string, number>();
  const floorOf = (node: string): number => {
    const known = floors.get(node);
    if (known !== undefined) return known;
    const members = circleOf.get(node) ?? [node];
    const below = members
      .flatMap((member) => [...(graph.get(member) ?? [])])
      .filter((target) => !members.includes(target));
    const floor = 1 + Math.max(0, ...below.map(floorOf));
    for (const member of members) floors.set(member, floor);
    return floor;
  };
  return Math.max(0, ...[...graph.keys()].map(floorOf));
}

/** A shortest way along the arrows, with both ends; undefined if there is none. */
export function findWay(graph: Graph, from: string, to: string): string[] | undefined {
  const cameFrom = new Map<string, string | undefined>([[from, undefined]]);
  // A map is walked in the order of insertion, also over what is inserted meanwhile.
  for (const node of cameFrom.keys()) {
    if (node === to) {
      const way: string[] = [];
      for (let at: string | undefined = to; at !== undefined; at = cameFrom.get(at)) way.unshift(at);
      return way;
    }
    for (const target of graph.get(node) ?? []) if (!cameFrom.has(target)) cameFrom.set(target, node);
  }
  return undefined;
}
