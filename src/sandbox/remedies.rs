//! What gives a machine a better level: the command, by the kind of machine.

use std::path::Path;

use super::Isolation;

/// A kind of machine that graders run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Debian, and most others.
    Debian,
    /// Ubuntu from 24.04 on: AppArmor restricts user namespaces of ordinary users.
    Ubuntu,
    /// A container of Docker's: its default filter and profile forbid namespaces and mounts.
    Docker,
    /// The Windows subsystem for Linux, version 2.
    Wsl2,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Debian, Self::Ubuntu, Self::Docker, Self::Wsl2];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Ubuntu => "Ubuntu 24.04",
            Self::Docker => "Docker",
            Self::Wsl2 => "WSL2",
        }
    }

    /// What this machine is, as far as its files say.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        // podman(1) leaves the other one, and takes the same options.
        let container = ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists());
        Self::of(container, &read("/proc/sys/kernel/osrelease"), &read("/etc/os-release"))
    }

    fn of(docker: bool, kernel: &str, system: &str) -> Self {
        match () {
            () if docker => Self::Docker,
            () if kernel.to_ascii_lowercase().contains("microsoft") => Self::Wsl2,
            () if system.lines().any(|line| line == "ID=ubuntu") => Self::Ubuntu,
            () => Self::Debian,
        }
    }

    /// The command that gives this level there.
    pub fn command(self, level: Isolation) -> &'static str {
        /// cgroups(7) are delegated by systemd, to a user's own session too.
        const SCOPE: &str = "systemd-run --user --scope -p Delegate=yes ipc-grade …";
        match (level, self) {
            (Isolation::Cgroup, Self::Debian | Self::Ubuntu) => SCOPE,
            (Isolation::Cgroup, Self::Docker) => {
                "docker run --cgroupns=private --privileged … (a container's cgroups are read-only otherwise)"
            }
            (Isolation::Cgroup, Self::Wsl2) => {
                "printf '[boot]\\nsystemd=true\\n' | sudo tee -a /etc/wsl.conf; wsl.exe --shutdown; then \
                 systemd-run --user --scope -p Delegate=yes ipc-grade …"
            }
            (Isolation::Namespaces, Self::Debian) => {
                "printf 'kernel.unprivileged_userns_clone=1\\nuser.max_user_namespaces=10000\\n' | \
                 sudo tee /etc/sysctl.d/60-ipc-grade.conf; sudo sysctl --system"
            }
            (Isolation::Namespaces, Self::Ubuntu) => {
                "echo kernel.apparmor_restrict_unprivileged_userns=0 | sudo tee /etc/sysctl.d/60-ipc-grade.conf; \
                 sudo sysctl --system"
            }
            (Isolation::Namespaces, Self::Docker) => {
                "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                 --security-opt systempaths=unconfined …"
            }
            (Isolation::Namespaces, Self::Wsl2) => "wsl.exe --update (its kernel has namespaces from WSL2 on)",
            (Isolation::Landlock, Self::Docker) => {
                "boot the host with landlock in lsm= (a kernel from 5.13 on); Docker's default profile allows it from 23.0 on"
            }
            (Isolation::Landlock, Self::Wsl2) => "wsl.exe --update (a kernel with CONFIG_SECURITY_LANDLOCK)",
            (Isolation::Landlock, Self::Debian | Self::Ubuntu) => {
                "add landlock to lsm= on the kernel's command line (GRUB_CMDLINE_LINUX in /etc/default/grub), \
                 sudo update-grub, and boot again"
            }
            (Isolation::Limits, Self::Docker) => "docker run --cap-add=SYS_PTRACE …",
            (Isolation::Limits | Isolation::None, _) => "sudo sysctl -w kernel.yama.ptrace_scope=1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_apart() {
        let ubuntu = "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n";
        for (docker, kernel, system, expected) in [
            (false, "6.1.0-13-amd64", "ID=debian\n", Platform::Debian),
            (false, "6.8.0-31-generic", ubuntu, Platform::Ubuntu),
            (false, "5.15.153.1-microsoft-standard-WSL2", ubuntu, Platform::Wsl2),
            (true, "6.8.0-31-generic", "ID=debian\n", Platform::Docker),
            (false, "6.9.1", "ID=arch\n", Platform::Debian),
        ] {
            assert_eq!(Platform::of(docker, kernel, system), expected, "{kernel}");
        }
    }

    #[test]
    fn each_level_has_a_command_everywhere() {
        for platform in Platform::ALL {
            for level in Isolation::LEVELS {
                assert!(!platform.command(level).is_empty());
            }
        }
    }
}
