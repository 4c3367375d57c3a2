;; declares a field that is no pointer: loading must give DeclareFailed
;; world: health-plugin
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (data (i32.const 16) "\40\00\00\00\04\00\00\00")
  (data (i32.const 32) "\10\00\00\00\01\00\00\00")
  (data (i32.const 64) "spec")
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32) (i32.const 128)))
