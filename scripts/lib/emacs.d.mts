export function findOrInstallEmacs(say: (text: string) => void): Promise<string>;
