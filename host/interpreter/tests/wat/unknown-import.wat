;; wants to open files: loading must give UnknownImport
;; world: health-plugin
;; wit: package disk:access@1.0.0 { interface files { open: func(path: string) -> u32; } }
;; import: disk:access/files@1.0.0
(module
  (import "disk:access/files@1.0.0" "open" (func (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32) (i32.const 128)))
